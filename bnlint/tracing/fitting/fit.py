"""Inputs fitted to a forward: run, see what fails first, change the inputs so that it doesn't.

Only what an input itself brings may be changed: the channels that reach a layer straight from it,
its rank and type, and the size of a feature map that a model flattens. What a layer of the model
gets from another one is no reason, and neither is a norm.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import nn

from bnlint.layers.table import Table
from bnlint.models.guessing.guess import Guess
from bnlint.models.guessing.inputs.of_layers import numbers_stated, stated
from bnlint.tracing.fitting.complaints import needs_values
from bnlint.tracing.fitting.demand import (
    Demand,
    Larger,
    OtherBatch,
    OtherRank,
    OtherSize,
    OtherType,
)
from bnlint.tracing.fitting.demands import demands
from bnlint.tracing.fitting.samples import with_batch, with_labels, with_rows
from bnlint.tracing.fitting.size_question import SizeOutcome, SizeQuestion
from bnlint.tracing.fitting.size_search import SizeSearch
from bnlint.tracing.fitting.sizes import Sizes, larger
from bnlint.tracing.fitting.slots import like, slots_of, with_rank, with_sizes, with_slots
from bnlint.tracing.fitting.watching import Attempt, Fault, Key, Trail, attempt
from bnlint.tracing.search_clock import SearchClock

_RUNS = 96
"""Forwards that are run on meta to fit one guess."""

Q = TypeVar("Q", bound=SizeQuestion)

Progress = tuple[int, int, int]
"""How far a forward got: the step that failed, how close its rank, type and sizes came."""

_WHOLE: Progress = (1 << 30, 0, 0)


@dataclass(slots=True)
class Fitter:
    """Changes the inputs of one model step by step; ends after some forwards or some time."""

    model: nn.Module
    table: Table
    prepare: Callable[[], None]
    clock: SearchClock
    runs: int = 0
    accepted: set[Key] = field(default_factory=set)
    passed: bool = False
    ended: bool = False
    steps: int = 0

    def furthest(self, start: Guess) -> Attempt:
        """The forward with the inputs that get furthest."""
        current = self._run(start)
        while (fault := self._pending(current)) is not None and not self._is_spent():
            better = self._improved(current, fault)
            if better is not None:
                current = better
            elif fault.ended:
                break
            else:
                self.accepted.add(fault.key)
        self.passed = all(needs_values(fault.text) for fault in current.faults)
        self.ended = current.ended
        self.steps = min((fault.step for fault in current.faults), default=0)
        return current

    def _is_spent(self) -> bool:
        return self.runs >= _RUNS or self.clock.is_over()

    def _run(self, guess: Guess) -> Attempt:
        self.runs += 1
        self.prepare()
        return attempt(self.model, self.table, guess)

    def _pending(self, seen: Attempt) -> Fault | None:
        """The first failure that may still come from the inputs."""
        open_ones = (f for f in seen.faults if f.key not in self.accepted or f.ended)
        return next((f for f in open_ones if not needs_values(f.text)), None)

    def _progress(self, seen: Attempt) -> Progress:
        fault = self._pending(seen)
        if fault is None:
            return _WHOLE
        wanted = demands(fault, self.table)
        if wanted and isinstance(wanted[0], OtherRank):
            return fault.step, 0, -abs(wanted[0].by)
        return fault.step, 1 if wanted and isinstance(wanted[0], OtherType) else 2, -len(wanted)

    def _improved(self, seen: Attempt, fault: Fault) -> Attempt | None:
        return self._first_better(self._progress(seen), self._proposals(seen, fault))

    def _first_better(
        self, before: Progress, proposals: Iterable[tuple[Guess, bool]]
    ) -> Attempt | None:
        """The first of the inputs that get further; those of another rank with other sizes, too."""
        for guess, other_rank in proposals:
            if self._is_spent():
                return None
            after = self._run(guess)
            if self._progress(after) > before:
                return after
            if other_rank:
                sized = self._first_better(before, self._resized(after))
                if sized is not None:
                    return sized
        return None

    def _proposals(self, seen: Attempt, fault: Fault) -> Iterator[tuple[Guess, bool]]:
        """Changed inputs, and whether one of them has another rank: its sizes may change, too."""
        wanted = demands(fault, self.table)
        for demand in wanted:
            for guess in self._changes(seen, fault, demand):
                yield guess, isinstance(demand, OtherRank)
        trails = (fault.trail(d.tensor) for d in wanted if isinstance(d, OtherSize))
        for guess in with_labels(seen.guess, {n for t in trails if t for n in t.slots}):
            yield guess, True
        for demand in wanted:
            for guess in self._searched(seen, fault, demand):
                yield guess, False

    def _resized(self, seen: Attempt) -> Iterator[tuple[Guess, bool]]:
        """The same inputs with the sizes that the first failure asks for."""
        if (fault := self._pending(seen)) is None:
            return
        for demand in demands(fault, self.table):
            if isinstance(demand, OtherSize):
                for guess in self._changes(seen, fault, demand):
                    yield guess, False

    def _searched(self, seen: Attempt, fault: Fault, demand: Demand) -> Iterator[Guess]:
        trail = fault.trail(demand.tensor)
        if trail is not None and isinstance(demand, OtherSize):
            yield from self._asking(SizeSearch, seen, fault, trail, demand).found()

    def _changes(self, seen: Attempt, fault: Fault, demand: Demand) -> Iterator[Guess]:
        trail = fault.trail(demand.tensor)
        if trail is None:
            return
        slots = slots_of(seen.guess)
        if isinstance(demand, Larger):
            yield from larger(seen.guess, trail)
            return
        if isinstance(demand, OtherBatch):
            yield with_batch(seen.guess, trail, demand.want)
            return
        if isinstance(demand, OtherSize):
            yield from self._asking(Sizes, seen, fault, trail, demand).solutions()
            yield from with_rows(seen.guess, trail, demand)
            return
        for slot in sorted(trail.slots):
            tensor = slots[slot]
            if isinstance(demand, OtherType):
                yield with_slots(seen.guess, {slot: tensor.to(demand.dtype)})
            elif slot in trail.straight or not tensor.is_floating_point():
                for changed in self._of_rank(tensor, tensor.ndim + demand.by):
                    yield with_slots(seen.guess, {slot: changed})
        if isinstance(demand, OtherRank) and demand.by == -1 and len(trail.straight) > 1:
            alone = {n: slots[n] for n in trail.straight if slots[n].ndim}  # torch.stack(images)
            yield with_slots(seen.guess, {n: like(t, t.shape[1:]) for n, t in alone.items()})

    def _of_rank(self, tensor: torch.Tensor, rank: int) -> Iterator[torch.Tensor]:
        """The tensor with so many axes; as an image with the channels that the model states."""
        changed = with_rank(tensor, rank)
        if changed is None:
            return
        channels = stated(self.model).channels if rank > 3 > tensor.ndim - 1 else None
        if channels is not None and channels != changed.shape[1]:
            yield like(changed, (changed.shape[0], channels, *changed.shape[2:]))
        yield changed

    def _asking(
        self, make: type[Q], seen: Attempt, fault: Fault, trail: Trail, demand: OtherSize
    ) -> Q:
        outcome = self._outcome(fault.key, demand, trail)
        return make(seen.guess, trail, demand, outcome, numbers_stated(self.model))

    def _outcome(self, key: Key, demand: OtherSize, trail: Trail) -> Callable[[Guess], SizeOutcome]:
        """What a changed input does to the size that a layer complained of."""
        known: dict[tuple[torch.Size, ...], SizeOutcome] = {}

        def of(guess: Guess) -> SizeOutcome:
            shapes = tuple(t.shape for t in slots_of(guess))
            if shapes not in known:
                known[shapes] = self._seen_size(guess, key, demand, trail)
            return known[shapes]

        return of

    def _seen_size(self, guess: Guess, key: Key, demand: OtherSize, trail: Trail) -> SizeOutcome:
        if self._is_spent():
            return SizeOutcome(spent=True)
        seen = self._run(guess)
        fault = seen.fault(key)
        if fault is None:
            return SizeOutcome(fits=seen.passed(key))
        same = [
            other
            for other in demands(fault, self.table)
            if isinstance(other, OtherSize)
            and (other.axis, other.flat) == (demand.axis, demand.flat)
        ]
        own = (d for d in same if (t := fault.trail(d.tensor)) and t.slots == trail.slots)
        found = next(own, next(iter(same), None))  # of two operands, that of the same inputs
        return SizeOutcome() if found is None else SizeOutcome(got=found.got)

    def variants(self, seen: Attempt) -> Iterator[Guess]:
        """The same inputs with twice the size where that changes nothing about the failures."""
        keys = [fault.key for fault in seen.faults]
        free: dict[tuple[int, int], int] = {}
        for slot, tensor in enumerate(slots_of(seen.guess)):
            for axis, size in itertools.islice(enumerate(tensor.shape), 1, None):
                if self.runs < _RUNS + 16 and not self.clock.is_over():
                    other = self._run(with_sizes(seen.guess, {(slot, axis): 2 * size}))
                    if [fault.key for fault in other.faults] == keys:
                        free[slot, axis] = 2 * size
        if free:
            yield with_sizes(seen.guess, free)
