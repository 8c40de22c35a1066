"""Facts about everything ahead of an operation or behind it, however far."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bnlint.domain.graph import Op
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View


def first_kernel(view: View, op: Op) -> Answer:
    """Whether no kernel lies anywhere behind; unknown behind a part that was not seen into."""
    return _none(op, view.once(_after_kernel), view.once(_after_opaque))


def last_kernel(view: View, op: Op) -> Answer:
    """Whether no kernel lies anywhere ahead; unknown ahead of a part that was not seen into."""
    return _none(op, view.once(_before_kernel), view.once(_before_opaque))


def norm_ahead(view: View, op: Op) -> Answer:
    """Whether a norm lies anywhere ahead; unknown ahead of a part that was not seen into."""
    absent = _none(op, view.once(_before_norm), view.once(_before_opaque))
    return absent if absent is UNKNOWN else not absent


def _none(op: Op, seen: frozenset[str], hidden: frozenset[str]) -> Answer:
    if op.id in seen:
        return False
    return UNKNOWN if op.id in hidden else True


def _carry(ops: Iterable[Op], beside: Callable[[Op], tuple[Op, ...]], tag: str) -> frozenset[str]:
    """The ops on whose side, near or far, an op with ``tag`` lies; one pass."""
    found: set[str] = set()
    for op in ops:
        if any(o.id in found or tag in o.tags for o in beside(op)):
            found.add(op.id)
    return frozenset(found)


def _after_kernel(view: View) -> frozenset[str]:
    return _carry(view.ops, view.predecessors, "kernel")


def _after_opaque(view: View) -> frozenset[str]:
    return _carry(view.ops, view.predecessors, "opaque")


def _before_kernel(view: View) -> frozenset[str]:
    return _carry(reversed(view.ops), view.successors, "kernel")


def _before_opaque(view: View) -> frozenset[str]:
    return _carry(reversed(view.ops), view.successors, "opaque")


def _before_norm(view: View) -> frozenset[str]:
    return _carry(reversed(view.ops), view.successors, "norm")
