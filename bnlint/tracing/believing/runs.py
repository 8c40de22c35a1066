"""What the record of a forward did with one input: which calls failed, and whether for sure.

A failure is sure if what arrives comes from layers that fix its channels, not straight from a
guessed input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from bnlint.layers.calls import RAISED, Call, State, name_of
from bnlint.layers.of_calls import kind_of
from bnlint.layers.table import Table, having
from bnlint.loading.sites import Locator
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.crashes import ASSERTIONS, wants_packed
from bnlint.tracing.reasons import Reason, happens_to_fit, reason_for
from bnlint.tracing.tracers import Record

_CASTING = frozenset(
    {
        *("to", "type", "type_as", "float", "double", "half", "bfloat16", "long", "int", "bool"),
        *("eq", "ne", "lt", "le", "gt", "ge", "argmax", "argmin", "argsort", "one_hot", "nonzero"),
        *("embedding", "linear", "conv1d", "conv2d", "conv3d"),
    }
)
"""Functions whose results have a type of their own."""

_SETS_CHANNELS = having("sets", "channels") | {"batchnorm", "recurrent"}


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


def look_at(record: Record, table: Table, candidate: Guess, *, in_part: bool = False) -> Run:
    """The failures in ``record``, which was run with ``candidate``.

    ``in_part``: the record is known to leave out parts, which is no failure then.
    """
    calls = [*record.calls, *([record.crash] if record.crash else [])]
    known = {call.id: call for call in record.calls}
    reasons = {n: reason_for(c, table, known) for n, c in enumerate(calls) if c.error is not None}
    first = min((n for n, why in reasons.items() if why.decides), default=len(calls))
    fixed = _fixed(record, table) if reasons else frozenset()
    listed = any(
        isinstance(v, (list, tuple)) for v in (*candidate.args, *candidate.kwargs.values())
    )

    def sure(number: int, why: Reason) -> bool:
        past = listed and _is_past_the_end(calls[number])
        return not past and _is_sure(calls[number], why, fixed, record)

    return Run(
        candidate,
        record,
        first,
        {n: why if sure(n, why) else None for n, why in reasons.items()},
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
    if wants_packed(call.error or "") or (why.joins and why.of_ranks):
        return False
    if why.of_types:
        as_given = _of_given_types(record)
        return not any(ref.id in as_given for ref in call.refs())
    return all(ref.id in fixed for ref in call.refs())


def _is_past_the_end(call: Call) -> bool:
    """True for an index without an item; lists among inputs are as long as was guessed."""
    return (call.error or "").startswith("IndexError")


def _of_given_types(record: Record) -> frozenset[str]:
    """The calls whose results have the type of an input, which was guessed."""
    found: set[str] = set()
    for call in record.calls:
        keeps = not isinstance(call.target, nn.Module) and name_of(call.target) not in _CASTING
        if call.target == "input" or (keeps and any(ref.id in found for ref in call.refs())):
            found.add(call.id)
    return frozenset(found)


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


def failed(record: Record) -> bool:
    """True if a call of the record raised an error."""
    return any(call.error is not None for call in record.calls)


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
