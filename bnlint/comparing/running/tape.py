"""What a forward computes step by step, as a few numbers for each result.

The numbers don't depend on the order of elements, so a reshaped result is still known again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Location
from bnlint.layers.table import Table, is_leaf
from bnlint.loading.sites import Locator, call_frames, site_of
from bnlint.models.nested import tensors
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction, WatchedForward
from bnlint.tracing.forward.module_names import Registry

_CLOSE = 1e-7
_MOST_KEPT = 1 << 30
"""Bytes of results that are kept alive, so that their identity says who made them."""

Print = tuple[float, float]
"""The sum of a result, and that of its absolute values."""


@dataclass(slots=True)
class TapeStep:
    """One call: the layer, what it returned in short, and the steps it reads."""

    layer: str
    prints: tuple[Print, ...]
    reads: tuple[int, ...]
    line: Location | None = None


@dataclass(slots=True)
class Tape(Subscriber):
    """Notes the calls of layers and functions of one forward."""

    registry: Registry
    table: Table
    locator: Locator
    steps: list[TapeStep] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    watched: WatchedForward = field(init=False)
    _made: dict[int, int] = field(default_factory=dict)
    _alive: list[torch.Tensor] = field(default_factory=list)
    _bytes: int = 0
    _quiet: int = 0

    def __post_init__(self) -> None:
        self.watched = WatchedForward(self.registry, self.table)

    def module(self, module: nn.Module, run: Runnable) -> Runnable:
        """A leaf layer as one step."""
        if self._quiet or not is_leaf(module, self.table):
            return run
        path = self.registry.path(module)
        return lambda *args, **kwargs: self._step(path, module, run, args, kwargs)

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """A function outside of a leaf layer as one step."""

        def noted(*args: Any, **kwargs: Any) -> Any:
            if self._quiet:
                return run(*args, **kwargs)
            name = f"{function.name.strip('_')}()"
            path = self.watched.path
            layer = f"{path}.{name}" if path else name
            return self._step(layer, None, run, args, kwargs)

        return noted

    def finish(self, result: Any) -> None:
        """Note which steps made the outputs; their tensors are not needed any more."""
        self.outputs = tuple(self._made[id(t)] for t in tensors(result) if id(t) in self._made)
        self._alive.clear()
        self._made.clear()

    def _step(
        self, layer: str, module: nn.Module | None, run: Runnable, args: Any, kwargs: Any
    ) -> Any:
        reads = tuple(
            dict.fromkeys(self._made[id(t)] for t in tensors((args, kwargs)) if id(t) in self._made)
        )
        self._quiet += 1
        try:
            result = run(*args, **kwargs)
            found = [t for t in tensors(result) if t.numel()]
            if found and self._bytes < _MOST_KEPT:
                line = self._place(module)
                prints = tuple(map(_print_of, found))
                self._keep(found, TapeStep(layer, prints, reads, line))
        finally:
            self._quiet -= 1
        return result

    def _keep(self, found: list[torch.Tensor], step: TapeStep) -> None:
        self.steps.append(step)
        for tensor in found:
            self._made[id(tensor)] = len(self.steps) - 1
            self._alive.append(tensor)
            self._bytes += tensor.numel() * tensor.element_size()

    def _place(self, module: nn.Module | None) -> Location | None:
        site = site_of(module) if module is not None else None
        return self.locator.locate(site.frames if site else call_frames())


def _print_of(tensor: torch.Tensor) -> Print:
    plain = tensor.detach()
    plain = plain.abs() if plain.is_complex() else plain
    plain = plain if plain.is_floating_point() else plain.double()
    total, size = float(plain.sum()), float(torch.linalg.vector_norm(plain, 1))
    return (total, size) if math.isfinite(total + size) else (0.0, 0.0)


def first_difference(old: Sequence[TapeStep], new: Tape) -> TapeStep | None:
    """The first step of the new forward whose result the old one has not, and that matters.

    A step matters if steps that are new, too, lead from it to an output: what a refactoring writes
    in another way comes together again.
    """
    known = _Known(old)
    fresh = [not all(map(known.has, step.prints)) for step in new.steps]
    matters: set[int] = set()
    reached = [n for n in new.outputs if fresh[n]]
    while reached:
        number = reached.pop()
        if number not in matters:
            matters.add(number)
            reached += [n for n in new.steps[number].reads if fresh[n]]
    if matters:
        return new.steps[min(matters)]
    return new.steps[new.outputs[0]] if new.outputs else None  # what came after it is gone


class _Known:
    """The results of the old forward, found again up to rounding."""

    def __init__(self, steps: Sequence[TapeStep]) -> None:
        self._prints = {key for s in steps for p in s.prints for key in _keys(p)}

    def has(self, found: Print) -> bool:
        return any(key in self._prints for key in _keys(found))


def _keys(found: Print) -> Iterator[tuple[float, ...]]:
    """Rounded in several ways, so that numbers on the border of one are close in another."""
    total, size = found
    values = math.log(max(size, 1e-300)) / _CLOSE, total / max(size, 1e-300) / _CLOSE
    for shifts in itertools.product((0.0, 0.5), repeat=2):
        yield (*shifts, *(math.floor(v + s) for v, s in zip(values, shifts, strict=True)))
