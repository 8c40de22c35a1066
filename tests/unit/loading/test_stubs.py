from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from torch import nn

from bnlint.loading.stubs import Stub, Stubs, StubUsed, held_stubs


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
    model[0].act = nowhere.Act()
    assert list(held_stubs(model)) == ["nowhere.Act()"]
