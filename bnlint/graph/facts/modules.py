"""Facts about registered modules, called or not."""

from __future__ import annotations

from bnlint.domain.graph import ModuleInfo
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View


def used(view: View, info: ModuleInfo) -> Answer:
    """Whether the module is called, in train or eval mode, or its parameters are read.

    Unknown when a mode was not traced or the trace is not complete: absence proves nothing there.
    """
    if info.reads or info.calls or info.eval_calls:
        return True
    if info.calls is None or info.eval_calls is None or not view.graph.trace.complete:
        return UNKNOWN
    return False


def parent_used(view: View, info: ModuleInfo) -> Answer:
    """Whether the module that holds this one is used; true at the top."""
    parent = view.module(info.path.rpartition(".")[0])
    return True if parent is None or not parent.path else used(view, parent)


def repeated(info: ModuleInfo) -> Answer:
    """Whether the same object is registered more than once under the same parent."""
    here = info.path.rpartition(".")[0]
    return any(alias.rpartition(".")[0] == here for alias in info.aliases)


def known_or_unknown(value: int | None) -> Answer:
    """A count, or UNKNOWN for a mode that was not traced."""
    return UNKNOWN if value is None else value


def short(types: tuple[str, ...]) -> str:
    """The class name without its package."""
    return types[0].rpartition(".")[2] if types else ""
