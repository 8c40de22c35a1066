from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from bnlint.loading.missing.stubs import Stub, Stubs, StubUsed, held_stubs


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    stubs = Stubs()
    stubs.add("nowhere")
    yield stubs
    stubs.close()


def test_what_a_stub_puts_up_with(stubs: Stubs) -> None:
    import nowhere  # type: ignore[import-not-found]
    from nowhere.deep.down import thing  # type: ignore[import-not-found]

    assert isinstance(thing.more(1, x=2)[3], Stub)
    with nowhere.context() as inside:
        assert isinstance(inside, Stub)

    @nowhere.decorate
    def plain() -> int:
        return 3

    @nowhere.decorate(name="x")
    class Kept:
        size: nowhere.Size | None = None

    assert list(nowhere.names) == []
    assert "x" not in nowhere.names
    assert plain() == 3
    assert isinstance(Kept, type)
    assert not isinstance(3, nowhere.Tensor)
    assert nowhere.parse("2.0") >= nowhere.parse("1.8")


def test_subclasses_of_stubs(stubs: Stubs) -> None:
    import nowhere

    class Model(nowhere.Base):
        def __init__(self) -> None:
            super().__init__(1, two=2)
            self.layer = nn.Linear(2, 2)
            self.save_something()

        def forward(self, x: object) -> object:
            return x

    class Data(nowhere.DataModule, key="word"):
        pass

    assert isinstance(Model(), nn.Module)
    assert not isinstance(Data(), nn.Module)
    assert hasattr(Model(), "layer")


def test_stubs_raise_while_a_model_is_traced_and_are_gone_afterwards(stubs: Stubs) -> None:
    import nowhere.sub  # type: ignore[import-not-found]

    act = nowhere.sub.Act()
    with stubs.unusable(), pytest.raises(StubUsed, match=r"nowhere\.sub\.Act"):
        act(1)
    assert isinstance(act(1), Stub)
    stubs.close()
    with pytest.raises(StubUsed):
        act(1)
    assert not [name for name in sys.modules if name.startswith("nowhere")]
    with pytest.raises(ModuleNotFoundError):
        import nowhere.other  # type: ignore[import-not-found]


def test_a_name_put_into_an_installed_package_is_taken_out_again() -> None:
    stubs = Stubs()
    stubs.add_attribute(nn, "NoSuchLayer")
    assert isinstance(nn.NoSuchLayer, Stub)
    stubs.close()
    assert not hasattr(nn, "NoSuchLayer")


def test_stubs_that_a_model_holds_are_found(stubs: Stubs) -> None:
    import nowhere

    model = nn.Sequential(nn.Linear(2, 2))
    assert list(held_stubs(model)) == []
    model[0].act = nowhere.act
    assert list(held_stubs(model)) == ["nowhere.act"]


def test_what_a_missing_package_made_for_a_model_is_a_layer_of_it(stubs: Stubs) -> None:
    import nowhere

    model = nn.Module()
    model.body = nowhere.Body.load("large")
    assert isinstance(model.body, nn.Module)
    assert isinstance(model.body.width, Stub)
    assert list(held_stubs(model)) == []
    with stubs.unusable():
        for call in (model.body, model.body.features):
            with pytest.raises(StubUsed, match=r"nowhere\.Body\.load"):
                call(torch.ones(1, 2))
    stubs.close()
    model.other = nn.ReLU()
    assert type(model.other) is nn.ReLU


def test_a_stub_takes_the_place_of_a_layer_in_containers(stubs: Stubs) -> None:
    import nowhere

    layer = nowhere.Norm(8)
    model = nn.Sequential(nn.Linear(2, 2), layer, nn.ModuleList([layer]))
    model.add_module("other", layer)
    assert [type(m).__name__ for m in model.children()][1::2] == ["StubLayer", "StubLayer"]
    assert list(held_stubs(model)) == []
    with stubs.unusable(), pytest.raises(StubUsed, match="nowhere"):
        model[:2](torch.ones(1, 2))
    stubs.close()
    with pytest.raises(TypeError, match="not a Module"):
        nn.Sequential(layer)


def test_layers_can_be_added_to_a_model_of_a_missing_base(stubs: Stubs) -> None:
    import nowhere

    class Net(nowhere.Base):
        def forward(self, x: object) -> object:
            return x

    net: nn.Module = Net()  # type: ignore[assignment]
    net.add_module("layer", nn.ReLU())
    net.register_buffer("mean", torch.ones(1))
    assert [*net._modules, *net._buffers] == ["layer", "mean"]


def test_a_stub_is_calculated_with(stubs: Stubs) -> None:
    import nowhere

    settings = nowhere.settings
    settings["width"] = 3
    settings["depth"] += 1
    del settings["width"]
    settings.level.rate *= 2
    total = 2 * settings.a + settings.b / 3 - -settings.c // 2
    assert isinstance(total, Stub)
    assert f"{settings.a:>8}" == "<stub of nowhere.settings.a>"
    first, second = nowhere.pair()
    assert isinstance(first, Stub)
    assert isinstance(second, Stub)
    with pytest.raises(TypeError, match="length"):  # 0 would become a size of a model
        len(settings)
    assert settings
    assert nowhere.__version__ >= "2"
    assert nowhere.layer.__name__ == "layer"
    with stubs.unusable(), pytest.raises(StubUsed):
        settings["width"] = 4
    with stubs.unusable(), pytest.raises(StubUsed):
        list(settings)
    with stubs.unusable(), pytest.raises(StubUsed):
        settings.a * 2


def test_a_stub_in_every_place_of_a_class_statement(stubs: Stubs) -> None:
    import abc
    import dataclasses

    import nowhere

    class Mixed(nn.Module, nowhere.Mixin):
        def forward(self, x: object) -> object:
            return x

    class Twice(nowhere.One, nowhere.Two, metaclass=abc.ABCMeta):
        pass

    class Made(nn.Module, metaclass=nowhere.Meta):
        def forward(self, x: object) -> object:
            return x

    @nowhere.add_metaclass(abc.ABCMeta)
    class Decorated(nn.Module):
        pass

    @dataclasses.dataclass
    class Config:
        size: nowhere.Size | None = nowhere.field(default=3)  # noqa: RUF009
        rate: nowhere.Array[int] | float = 1.0

    assert isinstance(Mixed(), nn.Module)
    assert isinstance(Made(), nn.Module)
    assert isinstance(Decorated, type)
    assert isinstance(Twice, type)
    assert Config().rate == 1.0
    assert not issubclass(Config, nowhere.Base)


def test_names_that_a_missing_package_brings_with_a_star(stubs: Stubs, tmp_path: Path) -> None:
    path = tmp_path / "lesson.py"
    path.write_text("from nowhere.all import *\nlearner = Learner(nn.Linear(2, 2))\n")
    names: dict[str, object] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    assert isinstance(names["learner"], Stub)
    assert names["nn"] is nn


def test_contractions_of_a_missing_package_are_those_of_torch() -> None:
    stubs = Stubs()
    stubs.add("opt_einsum")
    try:
        import opt_einsum as oe  # type: ignore[import-not-found]

        one, other = torch.rand(2, 3), torch.rand(3, 4)
        fixed = oe.contract_expression("i j, j k -> i k", (2, 3), other, constants=[1])
        product = oe.contract("i j, j k -> i k", one, other, backend="torch")
        assert torch.allclose(product, one @ other)
        assert torch.allclose(fixed(one), one @ other)
        assert isinstance(oe.contract_path("ij,jk->ik", one, other), Stub)
    finally:
        stubs.close()
