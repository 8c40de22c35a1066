"""Which failures to report if the inputs were guessed and none of them passes.

A failure with a guessed input proves nothing by itself: a linear layer after a flatten may only
need another image size. But a layer that fails for the same channels (or the same rank) with every
candidate is wrong, whatever the input. A failure is believed if

- the layer is a kernel or a norm, and an earlier kernel or norm determines its input's channels,
- candidates of at least two different sizes reach the layer, and none gets further, and
- they all fail there in the same way.

Values that depend on any other failure are cleared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bnlint.layers.calls import UNSEEN, Call, State, name_of
from bnlint.layers.of_calls import kind_of
from bnlint.layers.table import Table, having, rank_of
from bnlint.models.guessing.guess import Guess, describe
from bnlint.tracing.tracers import Record

Sign = tuple[str, int]
"""How a layer failed: ("channels", the number it got) or ("rank", 0)."""

_SETS_CHANNELS = having("sets", "channels") | {"batchnorm"}


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A candidate that failed: at which call first, and how each call failed.

    Compared by identity, since the tensors in a candidate cannot be compared.
    """

    candidate: Guess
    first: int
    faults: Mapping[int, Sign | None]


def look_at(record: Record, table: Table, candidate: Guess) -> Run:
    """The failures in ``record``, which was run with ``candidate``."""
    fixed = _fixed(record, table)
    values = {call.id: call.value for call in record.calls}
    faults = {
        index: _sign(call, table, values) if _first_ref(call) in fixed else None
        for index, call in enumerate(record.calls)
        if call.error is not None
    }
    return Run(candidate, min(faults, default=len(record.calls)), faults)


def believable(runs: Sequence[Run]) -> tuple[Run, frozenset[int]] | None:
    """The run with the fewest failures among those that get furthest, and which to believe.

    None if the first failure may come from the guessed input.
    """
    furthest = max(run.first for run in runs)
    kept = [run for run in runs if run.first == furthest]
    if len({_sizes(run.candidate) for run in kept}) < 2:
        return None
    shared = set(kept[0].faults.items())
    for run in kept[1:]:
        shared &= set(run.faults.items())
    believed = frozenset(index for index, sign in shared if sign is not None)
    if furthest not in believed:
        return None
    return min(kept, key=lambda run: len(run.faults)), believed


def _sizes(candidate: Guess) -> tuple[tuple[int, ...], ...]:
    return tuple(shape[1:] for shape in describe(candidate).shapes)


def sift(runs: Sequence[tuple[Record, Guess]], table: Table) -> int:
    """The index of the record to keep, of those that one tracer returned for several candidates.

    Its failures that are not believed are cleared. Records whose calls differ from those of the
    first one are skipped.
    """
    alike = [i for i, (record, _) in enumerate(runs) if _targets(record) == _targets(runs[0][0])]
    looks = [look_at(runs[i][0], table, runs[i][1]) for i in alike]
    run, believed = believable(looks) or (max(looks, key=lambda run: run.first), frozenset())
    chosen = alike[looks.index(run)]
    forget_others(runs[chosen][0], believed)
    return chosen


def _targets(record: Record) -> list[int | str]:
    calls = record.calls
    return [id(c.target) if isinstance(c.target, nn.Module) else name_of(c.target) for c in calls]


def failed(record: Record) -> bool:
    """True if a call of the record raised an error."""
    return any(call.error is not None for call in record.calls)


def forget_others(record: Record, believed: frozenset[int]) -> None:
    """Clear every failure that is not believed, and all values that depend on one."""
    doubtful: set[str] = set()
    for index, call in enumerate(record.calls):
        failed = call.error is not None and index not in believed
        if failed or any(ref.id in doubtful for ref in call.refs()):
            doubtful.add(call.id)
            call.value, call.error = UNSEEN, None


def _fixed(record: Record, table: Table) -> frozenset[str]:
    """The calls whose channels a kernel or norm determines, on every path from an input."""
    found: set[str] = set()
    for call in record.calls:
        refs = [ref.id for ref in call.refs()]
        if _fixes(call, table) or (refs and all(ref in found for ref in refs)):
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


def _first_ref(call: Call) -> str:
    return next((ref.id for ref in call.refs()), "")


def _sign(call: Call, table: Table, values: Mapping[str, Any]) -> Sign | None:
    kind, x = kind_of(call, table), values.get(_first_ref(call))
    if kind is None or not isinstance(x, torch.Tensor):
        return None
    if "dense" in kind.tags:
        return ("channels", x.shape[-1]) if x.ndim else None
    dims = rank_of(kind.tags) or 0
    if "conv" in kind.tags and dims:
        axis = x.ndim - dims - 1
        return ("channels", x.shape[axis]) if axis in (0, 1) else ("rank", 0)
    if "batchnorm" in kind.tags:
        allowed = (2, 3) if dims == 1 else (dims + 2,)
        if dims and x.ndim not in allowed:
            return ("rank", 0)
        return ("channels", x.shape[1]) if x.ndim > 1 else None
    if "norm" in kind.tags and x.ndim > 1:
        return ("channels", x.shape[1])
    return None
