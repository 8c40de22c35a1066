"""How far a step of the optimizer moved each weight: entries before it against those after it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from bnlint.domain.probe_rows import UpdateStats
from bnlint.probing.observing.readings import unseen

ENTRIES = 4096
"""Maximum number of entries that are compared per parameter, evenly spaced."""

TABLES = (nn.Embedding, nn.EmbeddingBag)
"""Of these a step changes only the rows that were looked up."""


class WeightUpdates:
    """Entries of every trainable parameter, taken before a step and compared after it.

    Nothing here waits for the device: :attr:`norms` travel with the other readings.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = {n: p for n, p in model.named_parameters() if _is_plain(p)}
        self._tables = {id(m.weight) for m in model.modules() if isinstance(m, TABLES)}
        self._held: set[int] = set()
        self._versions = self._now()
        self._before = self._entries()
        self.norms: list[Tensor] = []

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer has made a step; it counts if it holds parameters of the model."""
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self._held |= held & {id(p) for p in self._parameters.values()}

    @property
    def done(self) -> bool:
        """True once a step was made: by an optimizer of torch, or by code that wrote in place."""
        return bool(self._held) or self._versions != self._now()

    def compare(self) -> None:
        """Measures each weight and how far it has moved."""
        with unseen():
            after = self._entries()
            moved = torch._foreach_sub(after, self._before) if after else []
            self.norms = [*_norms(self._before), *_norms(list(moved))]

    def rows(self, norms: Sequence[float], streaks: Counter[str]) -> tuple[UpdateStats, ...]:
        """A row for each parameter; ``streaks`` counts the steps in a row without a change."""
        if not self.done or not norms:
            return ()
        half = len(norms) // 2
        pairs = zip(self._parameters.items(), norms[:half], norms[half:], strict=True)
        return tuple(self._row(*item, weight, moved, streaks) for item, weight, moved in pairs)

    def _row(
        self, name: str, p: nn.Parameter, weight: float, moved: float, streaks: Counter[str]
    ) -> UpdateStats:
        exact = p.numel() <= ENTRIES
        same = moved == 0 and (exact or id(p) not in self._tables)
        streaks[name] = streaks[name] + 1 if same else 0
        layer, _, own = name.rpartition(".")
        ratio = moved / weight if weight > 0 else None
        held = id(p) in self._held if self._held else None
        return UpdateStats(layer, own, p.ndim, exact, ratio, streaks[name], held)

    def _now(self) -> list[int]:
        return [p._version for p in self._parameters.values()]

    def _entries(self) -> list[Tensor]:
        return [_thinned(p.detach()) for p in self._parameters.values()]


def after_each_step(hook: Callable[[torch.optim.Optimizer], None]) -> Any:
    """Calls ``hook`` after each step of any optimizer of torch, until the handle is removed."""
    return register_optimizer_step_post_hook(lambda optimizer, *_: hook(optimizer))


def _is_plain(p: nn.Parameter) -> bool:
    """False for what is frozen, sharded, quantized or not there yet."""
    if not p.requires_grad or not p.is_floating_point() or type(p.detach()) is not Tensor:
        return False
    return p.layout is torch.strided and p.numel() > 0


def _thinned(x: Tensor) -> Tensor:
    """At most :data:`ENTRIES` entries as a copy; the distance shares no factor with the rows."""
    step = math.ceil(x.numel() / ENTRIES)
    while step > 1 and math.gcd(step, x.shape[-1]) != 1:
        step += 1
    return x.reshape(-1)[::step].to(torch.float32, copy=True)


def _norms(values: list[Tensor]) -> list[Tensor]:
    return list(torch._foreach_norm(values)) if values else []
