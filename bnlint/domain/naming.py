"""How messages name a layer: by its path and its class; a function by the line that calls it."""

from __future__ import annotations

from pathlib import PurePath

from bnlint.domain.graph import ModelRef, Op, Subject, name_of

_ENDS = frozenset({"input", "output"})
"""Kinds of operations that are no layers: their names are those of arguments."""


def described(subject: Subject, ref: ModelRef, again: bool = False) -> str:
    """The subject as the words of a message: `` `features.5` (BatchNorm2d) ``, the relu at line 22.

    Parameters
    ----------
    subject
        The operation or module.
    ref
        Its model. It names the layers of a bare sequence (`` `net.0` (Conv2d) ``), and its file is
        the one whose name need not be said.
    again
        True where the message has named the subject before: its class is not repeated.

    """
    if isinstance(subject, Op) and is_function(subject):
        return _function(subject, ref)
    path = quoted(name_of(subject), ref.name)
    if again or not subject.types or subject.kind in _ENDS:
        return path
    kind = subject.types[0].rpartition(".")[2]
    return f"{path} ({kind})" if kind != name_of(subject) else path


def is_function(op: Op) -> bool:
    """True for a function or method, which no attribute of the model names."""
    return "()" in op.layer


def quoted(path: str, model: str = "") -> str:
    """The path as code; an index into a bare sequence follows the name of its model."""
    return f"`{model}.{path}`" if model and path[:1].isdigit() else f"`{path}`"


def _function(op: Op, ref: ModelRef) -> str:
    owner, _, name = op.layer.partition("()")[0].rpartition(".")
    if op.call is not None and op.call.line:
        other = op.call.path != ref.file
        place = f"{PurePath(op.call.path).name}:{op.call.line}" if other else f"line {op.call.line}"
        return f"the {name} at {place}"
    return f"{quoted(owner, ref.name)} -> {name}" if owner else f"the {name}"
