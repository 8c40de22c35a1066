from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from bnlint.domain.request import ModelSpec
from bnlint.loading.parsing import Source, read
from bnlint.loading.provisions import let_settings_be_set
from bnlint.models import workshop as workshops
from bnlint.models.building import NotAModel, build
from bnlint.models.meta.bounded import Bounded, TooManyWeights
from bnlint.models.workshop import Built, Workshop


def test_models_are_built_on_meta() -> None:
    assert all(p.is_meta for p in build(lambda: nn.Linear(3, 4)).parameters())


def test_what_needs_values_is_built_on_the_cpu() -> None:
    def make() -> nn.Module:
        return nn.Linear(int(torch.ones(3).sum().item()), 4)

    assert build(make).weight.shape == (4, 3)


def test_large_tensors_are_drawn_in_part() -> None:
    def make() -> nn.Module:
        net = nn.Sequential(nn.Linear(1000, 3000), nn.Linear(3000, 1000))
        nn.init.trunc_normal_(net[1].weight, 0.5, std=0.1)
        net.register_parameter("own", nn.Parameter(torch.randn(2000, 1000)))
        return net

    torch.manual_seed(0)
    net = build(make, weight_limit=10_000_000)
    first, second = (layer.weight for layer in net)
    assert first.std().item() == pytest.approx(1 / 3000**0.5, rel=0.01)
    assert first.unique().numel() < 1_100_000
    assert (second.mean().item(), second.std().item()) == pytest.approx((0.5, 0.1), rel=0.01)
    assert net.own.std().item() == pytest.approx(1, rel=0.01)
    assert net.own.requires_grad
    assert not torch.equal(first[0], first[1])


def test_numbers_that_torch_draws_in_steps_are_drawn_in_part_too() -> None:
    def make() -> nn.Module:
        net = nn.Linear(1000, 3000)
        nn.init.trunc_normal_(net.weight, 0.5, std=0.1, a=0.4, b=0.6)
        return net

    drawn = build(make, weight_limit=10_000_000).weight
    assert drawn.unique().numel() < 100_000
    assert (drawn.min().item(), drawn.max().item()) == pytest.approx((0.4, 0.6), abs=1e-3)
    assert drawn.mean().item() == pytest.approx(0.5, rel=0.01)
    whole = nn.init.trunc_normal_(torch.empty(1000, 1000))
    assert whole.unique().numel() > 500_000


def test_what_is_drawn_in_part_is_whole_where_it_is_read_and_at_the_end() -> None:
    def make() -> nn.Module:
        net = nn.Linear(1000, 3000)
        with torch.no_grad():
            net.twice = nn.Parameter(net.weight * 2)  # as the layer itself initialized it
            nn.init.normal_(net.weight, 5.0, 1.0)
            net.halves = nn.Parameter(torch.empty(2000, 1000))
            net.halves[:1000].normal_(3.0, 1.0)
            net.halves[1000:].uniform_(7.0, 8.0)
            net.table = nn.Parameter(torch.empty(500, 1000).normal_(5.0))
            net.table[3] = 0.0
        return net

    net = build(make, weight_limit=10_000_000)
    assert net.twice.std().item() == pytest.approx(2 / 3000**0.5, rel=0.02)
    assert net.twice[-1].std().item() == pytest.approx(2 / 3000**0.5, rel=0.2)
    assert [rows.mean().item() for rows in (net.weight, net.weight[-1:])] == pytest.approx(
        [5.0, 5.0], rel=0.05
    )
    means = [half.mean().item() for half in net.halves.split(1000)]
    assert means == pytest.approx([3.0, 7.5], rel=0.01)
    assert net.halves[1999].mean().item() == pytest.approx(7.5, rel=0.01)
    zero = (net.table == 0).all(1).nonzero().flatten().tolist()
    assert zero == [3]


def test_what_nothing_has_read_takes_the_memory_of_one_block() -> None:
    def make() -> nn.Module:
        net = nn.ModuleDict({"wide": nn.Linear(1000, 3000), "deep": nn.Conv2d(256, 512, 3)})
        net["words"] = nn.Embedding(9000, 300)
        return net

    net = build(make, weight_limit=10_000_000)
    assert all(p.untyped_storage().nbytes() < 300_000 for p in net.parameters())
    for layer, inputs in ((net["wide"], 1000), (net["deep"], 256 * 9)):
        rows = layer.weight.flatten(1)
        assert rows.std().item() == pytest.approx(1 / (3 * inputs) ** 0.5, rel=0.02)
        assert len(rows.unique(dim=0)) == len(rows)
    assert not torch.equal(net["words"].weight[0], net["words"].weight[-1])


def test_a_row_of_padding_is_set_in_tables_and_in_the_layers_they_are_tied_to() -> None:
    def make() -> nn.Module:
        words, out = nn.Embedding(9000, 300, padding_idx=4), nn.Linear(300, 9000)
        out.weight = words.weight
        return nn.Sequential(words, out)

    rows = build(make, weight_limit=10_000_000)[1].weight
    assert (rows == 0).all(1).nonzero().flatten().tolist() == [4]
    assert rows[-1].std().item() == pytest.approx(1, rel=0.2)


def test_memory_that_two_parameters_share_is_complete() -> None:
    def make() -> nn.Module:
        net = nn.Linear(1000, 3000)
        net.first_rows = nn.Parameter(net.weight.detach()[:1500])
        return net

    net = build(make, weight_limit=10_000_000)
    assert torch.equal(net.first_rows, net.weight[:1500])
    assert net.weight[-1].std().item() == pytest.approx(1 / 3000**0.5, rel=0.2)


def test_a_few_rows_that_another_part_holds_too_are_drawn() -> None:
    def make() -> nn.Module:
        net = nn.Linear(1000, 3000)
        net.last_row = nn.Parameter(net.weight.detach()[-1])
        return net

    net = build(make, weight_limit=10_000_000)
    assert torch.equal(net.last_row, net.weight[-1])
    assert net.last_row.std().item() == pytest.approx(1 / 3000**0.5, rel=0.2)


def test_a_model_to_run_is_drawn_as_a_whole() -> None:
    model = build(lambda: nn.Linear(1000, 3000), weight_limit=10_000_000, to_run=True)
    assert model.weight.unique().numel() > 1_200_000


def test_real_weights_only_below_the_limit() -> None:
    assert not build(lambda: nn.Linear(3, 4), weight_limit=16).weight.is_meta
    assert build(lambda: nn.Linear(3, 4), weight_limit=15).weight.is_meta


def test_variants_of_a_large_model_share_one_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshops, "_SMALL", 20)
    path = tmp_path / "net.py"
    path.write_text("from torch import nn\n")
    source, module = read(str(path)), ModuleType("net")
    assert isinstance(source, Source)
    for name, width in (("First", 200), ("Second", 200), ("Third", 9)):
        exec(
            f"from torch import nn\nclass {name}(nn.Linear):\n"
            f"    def __init__(self): super().__init__({width}, 2, bias=False)\n",
            vars(module),
        )
    workshop = Workshop(module, source, weight_limit=500)
    found = [next(iter(workshop.named(ModelSpec(n)))) for n in ("First", "Second", "Third")]
    assert [isinstance(b, Built) and b.model.weight.is_meta for b in found] == [False, True, False]


def test_real_weights_are_the_same_every_time() -> None:
    first, second = (build(lambda: nn.Linear(3, 4), weight_limit=99) for _ in range(2))
    assert torch.equal(first.weight, second.weight)


def test_something_else_is_not_built_twice() -> None:
    made = []
    with pytest.raises(NotAModel, match="int"):
        build(lambda: made.append(1) or 3)
    assert len(made) == 1


def test_the_error_of_the_cpu_is_the_one_that_is_told() -> None:
    def make() -> nn.Module:
        if torch.empty(1).is_meta:
            raise ValueError("on meta")
        raise ValueError("on the cpu")

    with pytest.raises(ValueError, match="on the cpu"):
        build(make)


def test_a_model_that_needs_the_cpu_ends_before_it_fills_the_memory() -> None:
    def make() -> nn.Module:
        if torch.empty(1).is_meta:
            raise RuntimeError("no kernel for meta")
        return nn.Linear(1 << 22, 1 << 22)  # 64 TiB

    with pytest.raises(TooManyWeights, match="300 million"):
        build(make)


def test_all_that_a_model_creates_counts_towards_the_limit() -> None:
    with Bounded(24):
        nn.Linear(3, 4)
    with pytest.raises(TooManyWeights), Bounded(24):
        nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4))


def test_a_lightning_model_may_assign_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    class HyperparametersMixin:
        @property
        def hparams(self) -> object:
            return vars(self)["_hparams"]

    mixins = ModuleType("hparams_mixin")
    mixins.HyperparametersMixin = HyperparametersMixin  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lightning.pytorch.core.mixins.hparams_mixin", mixins)
    let_settings_be_set()
    model = HyperparametersMixin()
    model.hparams = {"width": 4}  # type: ignore[misc]
    assert model.hparams == {"width": 4}


def test_a_list_may_hide_a_method_of_torch() -> None:
    class Hides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.modules = [nn.Linear(3, 4)]  # type: ignore[assignment]
            self.body = nn.Sequential(*self.modules)  # type: ignore[misc]

    model: Any = build(Hides)
    assert [type(m) for m in model.modules()] == [Hides, nn.Sequential, nn.Linear]
    assert len(model.modules) == 1
