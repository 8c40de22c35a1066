"""Faults of the code of a forward: a function too much, or a module around a layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.fuzz.building import Draft, make_kernel
from tests.fuzz.faults import Fault, is_batch
from tests.fuzz.plan import Unit


class Around(nn.Module):
    """A module around a layer of a unit."""

    def __init__(self, own: nn.Module) -> None:
        super().__init__()
        self.own = own


class Wasted(Around):
    def forward(self, x: Tensor) -> Tensor:
        y = self.own(x)
        assert y.ndim > 0
        return x


class Twice(Around):
    def forward(self, x: Tensor) -> Tensor:
        x = self.own(x).relu()
        return self.own(x)


class Skipped(Around):
    def forward(self, x: Tensor) -> Tensor:
        return self.own(x) + x


class Recomputed(Around):
    def forward(self, x: Tensor) -> Any:
        return checkpoint(self.own, x, use_reentrant=False)


class Scrambled(Around):
    def forward(self, x: Tensor) -> Tensor:
        x = self.own(x)
        tokens = x.reshape(x.shape[0], math.prod(x.shape[2:]), x.shape[1])
        return tokens.transpose(1, 2).reshape(x.shape)


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.ones(1, requires_grad=True)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class GatedOverBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * F.softmax(x, dim=0)


class GatedByOne(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * F.softmax(x.mean(1, keepdim=True), dim=1)


def always_dropped(draft: Draft) -> str:
    draft.insert("dropped", lambda x: F.dropout(x, 0.3), "kernel")
    return "dropout()"


def thrown_away(draft: Draft) -> str:
    draft.insert("wasted", Wasted(make_kernel(draft.unit, draft.dims)), "kernel")
    return "wasted.own"


def gate(make: type[nn.Module]) -> Callable[[Draft], str]:
    def plant(draft: Draft) -> str:
        draft.layers["wrong"] = make()
        draft.order.append("wrong")
        return "wrong.softmax()"

    return plant


def loosely_scaled(draft: Draft) -> str:
    draft.layers["scaled"] = Scaled()
    draft.order.append("scaled")
    return "scaled.mul()"


def normed_as_tokens(draft: Draft) -> str:
    draft.layers["last"] = nn.LayerNorm(draft.unit.channels[1])
    draft.order.append("last")
    return "last"


def kernel_in(around: type[Around], blamed: str) -> Callable[[Draft], str]:
    def plant(draft: Draft) -> str:
        draft.layers["kernel"] = around(draft.layers["kernel"])
        return f"kernel.{blamed}"

    return plant


def norm_recomputed(draft: Draft) -> str:
    draft.layers["norm"] = Recomputed(draft.layers["norm"])
    return "norm.own"


def ends_with_norm(unit: Unit) -> bool:
    return is_batch(unit) and not unit.pre


def keeps_width(unit: Unit) -> bool:
    return unit.channels[0] == unit.channels[1]


def has_odd_width(unit: Unit) -> bool:
    """As many channels as no map of the nets has places along an axis."""
    return unit.channels[1] == 12


FORWARD_FAULTS: dict[str, Fault] = {
    "dropout that stays on": Fault("BN306", lambda u: True, always_dropped),
    "result thrown away": Fault("BN407", lambda u: True, thrown_away),
    "softmax over the batch": Fault("BN209", ends_with_norm, gate(GatedOverBatch)),
    "softmax of one": Fault("BN210", ends_with_norm, gate(GatedByOne), needs_inputs=True),
    "factor that is no parameter": Fault("BN412", lambda u: True, loosely_scaled),
    "layer norm of a map": Fault("BN207", lambda u: not u.pre, normed_as_tokens, least_dims=1),
    "layer called again": Fault("BN409", keeps_width, kernel_in(Twice, "own")),
    "skip over another width": Fault(
        "BN206", lambda u: not keeps_width(u), kernel_in(Skipped, "add()")
    ),
    "view instead of permute": Fault(
        "BN211", has_odd_width, kernel_in(Scrambled, "reshape()"), needs_inputs=True, least_dims=2
    ),
    "norm in a checkpoint": Fault("BN408", lambda u: u.norm == "batch", norm_recomputed),
}
