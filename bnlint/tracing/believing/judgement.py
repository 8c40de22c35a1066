"""Which failures to report if the inputs were guessed and none of them passes.

A failure with a guessed input proves nothing by itself: a linear layer after a flatten may only
need another image size. But what fails for the same channels (or the same rank) with every input
that gets so far is wrong, whatever the input. So when every candidate fails,

- those that get furthest are varied: sizes, batches and axes,
- and the failure is believed if no variation gets past it and all that get there fail alike.

Values that depend on a failure that is not believed are cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from torch import nn

from bnlint.domain.graph import Shape
from bnlint.layers.calls import name_of
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.believing.runs import Run
from bnlint.tracing.believing.variations import shapes_of, variations
from bnlint.tracing.reasons import Reason
from bnlint.tracing.search_clock import SearchClock
from bnlint.tracing.tracers import Record

_ROUNDS = 3
"""Times that the furthest input is varied, when that got an input further."""
_ENOUGH = 6
"""Sizes that must fail where both numbers that conflict change with the size."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The run to keep, which of its failures to believe, and the first one if it is doubtful."""

    run: Run
    believed: frozenset[int] = frozenset()
    doubtful: int | None = None


Trial = Callable[[Guess], Run]


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
    runs = [run for run in runs if not _is_past_a_table(run)] or runs
    for _ in range(_ROUNDS):
        best = _furthest(runs)[0]
        if if_sure and best.faults.get(best.first) is None:
            break
        others = variations(best.candidate, best.why)
        for run in map(trial, clock.within(islice(others, limit))):
            if _tells_nothing(run, best):
                continue
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


def _tells_nothing(run: Run, best: Run) -> bool:
    """True for a forward that went another way, or past the end of a table by a longer input."""
    if run.passes and not best.passes and _ended_early(run, best):
        return True
    return _is_past_a_table(run) and not _is_past_a_table(best)


def _ended_early(run: Run, best: Run) -> bool:
    """True if the forward went another way, not only less often around the same loop."""
    return run.first <= best.first and not set(_targets(best.record)) <= set(_targets(run.record))


def _is_past_a_table(run: Run) -> bool:
    """True if an index went past the end of a table: a shorter input may stay within it."""
    return run.why is not None and run.why.within > 0


def _same_calls(one: Run, other: Run) -> bool:
    return _targets(one.record) == _targets(other.record)


def _targets(record: Record) -> list[int | str]:
    calls = record.calls
    return [id(c.target) if isinstance(c.target, nn.Module) else name_of(c.target) for c in calls]
