"""Whether a result that nothing read was forgotten, or left aside by an option of the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bnlint.layers.calls import Call, Ref
from bnlint.loading.sites import is_users
from bnlint.models.reading.liveness import Fate
from bnlint.tracing.describing.code_places import is_in_loop, source_of, span_of


def forgotten_calls(
    calls: Sequence[Call], sources: Mapping[str, str], outputs: Iterable[Ref]
) -> frozenset[str]:
    """The calls whose result no other reads, and which the source could not read either.

    ``sources`` are the calls that computed what each of them results in.
    """
    refs = [ref for call in calls for ref in call.refs()]
    read = {sources.get(ref.id) for ref in (*refs, *outputs)}
    unread = [n for n, call in enumerate(calls) if call.id not in read]
    return frozenset(calls[n].id for n in unread if _is_forgotten(calls[n], calls[n + 1 :]))


def _is_forgotten(call: Call, later: Sequence[Call]) -> bool:
    """True if the functions on the way to a call drop its result, whichever way they take.

    What one function returns is the result of the call in the one that called it.
    """
    for depth, (code, instruction) in enumerate(call.frames):
        if not is_users(code.co_filename) or code.co_name.startswith("<"):
            continue  # a comprehension or lambda hands its result on
        source = source_of(code)
        node = source.expression(span_of(code, instruction)) if source is not None else None
        if source is None or node is None:
            return False
        repeated = source.is_in_loop(node) and _comes_again(call, depth, later)
        fate = source.fate(node, repeated)
        if fate is not Fate.RETURNED:
            return fate is Fate.DROPPED
    return False


def _comes_again(call: Call, depth: int, later: Sequence[Call]) -> bool:
    """Whether the place at ``depth`` is run again on the same way through the calls around it.

    Where a loop further out leads there again, only the same module tells that it is this loop.
    """
    way = call.frames[depth:]
    again = (other for other in later if other.frames[-len(way) :] == way)
    if not any(is_in_loop(*frame) for frame in way[1:]):
        return next(again, None) is not None
    return depth == 0 and any(other.owner == call.owner for other in again)
