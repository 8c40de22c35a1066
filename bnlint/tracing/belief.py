"""Which failures to report if the inputs were guessed and none of them passes.

A failure with a guessed input proves nothing by itself: a linear layer after a flatten may only
need another image size. But what fails for the same channels (or the same rank) with every input
that gets so far is wrong, whatever the input. So when every candidate fails,

- those that get furthest are varied: sizes, batches and axes,
- and the failure is believed if no variation gets past it and all that get there fail alike.

What arrives must come from layers that fix its channels, not straight from a guessed input. Values
that depend on a failure that is not believed are cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Shape
from bnlint.layers.calls import RAISED, UNSEEN, Call, Ref, State, is_module, name_of
from bnlint.layers.of_calls import kind_of
from bnlint.layers.table import Table, having
from bnlint.loading.sites import Locator
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.crashes import ASSERTIONS
from bnlint.tracing.reasons import Reason, happens_to_fit, reason_for
from bnlint.tracing.search_clock import SearchClock
from bnlint.tracing.tracers import Record
from bnlint.tracing.variations import shapes_of, variations

_SETS_CHANNELS = having("sets", "channels") | {"batchnorm", "recurrent"}
_CHOOSING = frozenset({"masked_select", "nonzero", "argwhere", "unique", "unique_consecutive"})
_ROUNDS = 3
"""Times that the furthest input is varied, when that got an input further."""
_ENOUGH = 6
"""Sizes that must fail where both numbers that conflict change with the size."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a record did with one candidate: which calls failed, and why.

    ``first`` is the first failure that decides whether the input passes, else the number of calls.
    ``faults`` has None where a guessed input may be to blame. ``place`` and ``why`` are those of
    the first.
    ``lucky`` is true if a norm may have passed only because two axes are of one size.
    Compared by identity, since the tensors in a candidate cannot be compared.
    """

    candidate: Guess
    record: Record
    first: int
    faults: Mapping[int, Reason | None]
    passes: bool
    lucky: bool = False
    place: object = None
    why: Reason | None = None

    @property
    def undecisive(self) -> frozenset[int]:
        """The failures that are believed although the input passes."""
        if self.candidate.optional:
            return frozenset()
        return frozenset(i for i, why in self.faults.items() if why and not why.decides)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The run to keep, which of its failures to believe, and the first one if it is doubtful."""

    run: Run
    believed: frozenset[int] = frozenset()
    doubtful: int | None = None


Trial = Callable[[Guess], Run]


def look_at(record: Record, table: Table, candidate: Guess, *, in_part: bool = False) -> Run:
    """The failures in ``record``, which was run with ``candidate``.

    ``in_part``: the record is known to leave out parts, which is no failure then.
    """
    calls = [*record.calls, *([record.crash] if record.crash else [])]
    known = {call.id: call for call in record.calls}
    reasons = {n: reason_for(c, table, known) for n, c in enumerate(calls) if c.error is not None}
    first = min((n for n, why in reasons.items() if why.decides), default=len(calls))
    fixed = _fixed(record, table) if reasons else frozenset()
    return Run(
        candidate,
        record,
        first,
        {n: why if _is_sure(calls[n], why, fixed, record) else None for n, why in reasons.items()},
        first == len(calls) and (in_part or record.complete),
        any(happens_to_fit(call, table, known) for call in record.calls if call.error is None),
        place_of(calls[first]) if first < len(calls) else None,
        reasons.get(first),
    )


def place_of(call: Call) -> tuple[str, int] | None:
    """The file and the line that make a call."""
    at = Locator().locate(call.frames)
    return (at.path, at.line) if at else None


def _is_sure(call: Call, why: Reason, fixed: frozenset[str], record: Record) -> bool:
    """True unless what arrives may come straight from a guessed input."""
    if why.small or (call is record.crash and not record.crash_is_own):
        return False
    if name_of(call.target) in ASSERTIONS or lacks_input(call, record):
        return False
    return why.of_types or all(ref.id in fixed for ref in call.refs())


def lacks_input(call: Call, record: Record) -> bool:
    """True for an error about None that an optional input, which was left out, may have caused."""
    return record.left_out and "NoneType" in (call.error or "")


def demands_optional(record: Record) -> bool:
    """True if the model itself stopped, and an optional input that was left out may be why.

    Detectors assert that there are targets in training.
    """
    crash = record.crash
    if crash is None or crash.error is None or not record.left_out:
        return False
    if name_of(crash.target) in ASSERTIONS:
        return True
    return crash.target == RAISED and crash.error.startswith(("AssertionError", "ValueError"))


def judge(
    candidates: Iterable[Guess],
    trial: Trial,
    limit: int,
    clock: SearchClock,
    *,
    if_sure: bool = False,
) -> Judgement:
    """What to make of inputs that were guessed; at most ``limit`` variations in each round.

    ``if_sure``: without variations where the input may be to blame anyway, since trials take time.
    Nothing is sure if the clock ran out before all were tried.
    """
    runs: list[Run] = []
    vain: list[Run] = []
    for run in map(trial, candidates):
        if run.passes and not run.lucky:
            return Judgement(run, run.undecisive)
        needless = run.candidate.optional and not run.passes  # nobody need pass these inputs
        (vain if needless else runs).append(run)
    if not runs:
        return Judgement(vain[0], doubtful=vain[0].first)
    for _ in range(_ROUNDS):
        best = _furthest(runs)[0]
        if if_sure and best.faults.get(best.first) is None:
            break
        others = variations(best.candidate, types=best.why is not None and best.why.of_types)
        for run in map(trial, clock.within(islice(others, limit))):
            if run.passes and not best.passes and run.first <= best.first:
                continue  # it went another way, and ended early
            runs.append(run)
            if run.passes and not run.lucky:
                return Judgement(run, run.undecisive)
        if _furthest(runs)[0].first <= best.first:
            break
    return _judgement(runs, clock.cut)


def _passing(runs: Sequence[Run]) -> Run | None:
    """The first run that passes, rather one that does not by luck."""
    passing = [run for run in runs if run.passes]
    return next((run for run in passing if not run.lucky), next(iter(passing), None))


def _furthest(runs: Sequence[Run]) -> list[Run]:
    """The runs that fail where the one fails that gets furthest."""
    best = max(runs, key=lambda run: run.first)
    return [run for run in runs if run.first == best.first and run.place == best.place]


def _judgement(runs: Sequence[Run], cut: bool) -> Judgement:
    if (passing := _passing(runs)) is not None:
        return Judgement(passing, passing.undecisive)
    kept = _furthest(runs)
    best = min(kept, key=lambda run: len(run.faults))
    if cut or not _alike(kept, [run.faults.get(best.first) for run in kept]):
        return Judgement(best, best.undecisive, best.first)
    others = [run for run in kept if run.record is best.record or _same_calls(run, best)]
    believed = {
        index
        for index in best.faults
        if index == best.first or _alike(others, [run.faults.get(index) for run in others])
    }
    return Judgement(best, frozenset(believed) | best.undecisive)


def _alike(runs: Sequence[Run], reasons: Sequence[Reason | None]) -> bool:
    """True if inputs of any number of axes fail for a reason that is no matter of their size."""
    by_ranks: dict[tuple[int, ...], dict[tuple[Shape, ...], Reason]] = {}
    for run, why in zip(runs, reasons, strict=True):
        if why is None:
            return False
        shapes = shapes_of(run.candidate)
        by_ranks.setdefault(tuple(map(len, shapes)), {})[shapes] = why
    several = any(len(found) > 1 for found in by_ranks.values())
    return several and all(_is_one(found) for found in by_ranks.values())


def _is_one(found: Mapping[tuple[Shape, ...], Reason]) -> bool:
    """True if inputs of these shapes failed for one reason, which does not depend on them."""
    if len({why.words for why in found.values()}) > 1:
        return False
    if len({why.numbers for why in found.values()}) == 1:
        return True
    if any(why.joins for why in found.values()):
        return False
    by_sizes = {tuple(shape[1:] for shape in shapes): why for shapes, why in found.items()}
    return _never_meet([why.conflict for why in by_sizes.values()])


def _never_meet(conflicts: Sequence[tuple[int, int] | None]) -> bool:
    """True if both numbers change with the size of the input, and are never the same."""
    pairs = {pair for pair in conflicts if pair is not None}
    if len(pairs) < _ENOUGH or None in conflicts:
        return False
    return all(len({pair[side] for pair in pairs}) >= _ENOUGH for side in (0, 1))


def _same_calls(one: Run, other: Run) -> bool:
    return _targets(one.record) == _targets(other.record)


def _targets(record: Record) -> list[int | str]:
    calls = record.calls
    return [id(c.target) if isinstance(c.target, nn.Module) else name_of(c.target) for c in calls]


def failed(record: Record) -> bool:
    """True if a call of the record raised an error."""
    return any(call.error is not None for call in record.calls)


def forget_chosen(record: Record) -> None:
    """Clear the failures of functions that read elements chosen by a mask.

    How many they are depends on numbers, which no trace knows. What a layer says of its channels
    does not.
    """
    chosen: set[str] = set()
    believed: set[int] = set()
    values = {call.id: call.value for call in record.calls}
    for index, call in enumerate(record.calls):
        if _chooses(call, values) or any(ref.id in chosen for ref in call.refs()):
            chosen.add(call.id)
        if call.error is not None and (is_module(call.target) or call.id not in chosen):
            believed.add(index)
    if any(c.error is not None and n not in believed for n, c in enumerate(record.calls)):
        forget_others(record, frozenset(believed))


def _chooses(call: Call, values: Mapping[str, Any]) -> bool:
    name = name_of(call.target)
    if name in ("getitem", "__getitem__") and len(call.args) > 1:
        keys = call.args[1] if isinstance(call.args[1], tuple) else call.args[1:2]
        tensors = [values.get(k.id) if isinstance(k, Ref) else k.tensor
                   for k in keys if isinstance(k, (Ref, State))]  # fmt: skip
        return any(not isinstance(t, torch.Tensor) or t.dtype == torch.bool for t in tensors)
    return name in _CHOOSING


def forget_others(record: Record, believed: frozenset[int]) -> None:
    """Clear every failure that is not believed, and all values that depend on one."""
    doubtful: set[str] = set()
    for index, call in enumerate(record.calls):
        failed = call.error is not None and index not in believed
        if failed or any(ref.id in doubtful for ref in call.refs()):
            doubtful.add(call.id)
            call.value, call.error = UNSEEN, None


def _fixed(record: Record, table: Table) -> frozenset[str]:
    """The calls whose channels a kernel or norm determines, on every path from an input.

    What such a layer took without an error has the channels that it takes.
    """
    found: set[str] = set()
    for call in record.calls:
        refs = [ref.id for ref in call.refs()]
        if _fixes(call, table):
            found.add(call.id)
            if call.error is None:
                found.update(refs[:1])
        elif refs and all(ref in found for ref in refs):
            found.add(call.id)
    return frozenset(found)


def _fixes(call: Call, table: Table) -> bool:
    """True if a layer, or a function with a parameter as its weight, determines the channels.

    Others adapt to their input: a blur repeats its filter for each channel.
    """
    kind = kind_of(call, table)
    own = isinstance(call.target, nn.Module) or any(
        isinstance(a, State) and a.parameter for a in (*call.args, *call.kwargs.values())
    )
    return kind is not None and own and bool(kind.tags & _SETS_CHANNELS)
