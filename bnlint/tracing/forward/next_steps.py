"""What Python does with a value that an expression has just returned, read from its bytecode."""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType, FrameType

from torch import nn

_CALLING = frozenset(
    {"PRECALL", "CALL", "CALL_FUNCTION", "CALL_METHOD", "LOAD_METHOD", "PUSH_NULL"}
)
"""Steps between ``x.size`` and what is done with ``x.size()``."""


def names_unpacked_at(frame: FrameType) -> int | None:
    """The number of names to which the running step unpacks a value; None for another step."""
    return _unpacked(_step_at(frame.f_code, frame.f_lasti))


def names_unpacked_after(frame: FrameType) -> int | None:
    """The number of names in ``a, b = x.shape`` or ``a, b = x.size()``, read at the attribute."""
    return _unpacked(_step_after(frame.f_code, frame.f_lasti))


def is_tested_after(frame: FrameType) -> bool:
    """True if the result of the running step decides where the code goes on: ``if x > 0``."""
    step = _step_after(frame.f_code, frame.f_lasti)
    return step is not None and step.opname.startswith(("POP_JUMP", "TO_BOOL", "UNARY_NOT"))


def is_indexing(frame: FrameType) -> bool:
    """True if the running step reads an item, also for a list of modules."""
    step = _step_at(frame.f_code, frame.f_lasti)
    if frame.f_code is nn.ModuleList._get_abs_string_index.__code__:
        return True
    return step is not None and (step.opname.startswith("BINARY_SUBSCR") or step.argrepr == "[]")


def _unpacked(step: dis.Instruction | None) -> int | None:
    return int(step.argval) if step is not None and step.opname == "UNPACK_SEQUENCE" else None


@lru_cache(maxsize=1024)
def _step_at(code: CodeType, place: int) -> dis.Instruction | None:
    return next((each for each in dis.get_instructions(code) if each.offset >= place), None)


@lru_cache(maxsize=1024)
def _step_after(code: CodeType, place: int) -> dis.Instruction | None:
    """The step that follows, past the call of a method that was looked up."""
    later = (each for each in dis.get_instructions(code) if each.offset > place)
    return next((each for each in later if each.opname not in _CALLING), None)
