"""Why a forward could not be followed, and where."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from bnlint.layers.calls import Frames
from bnlint.loading.sites import is_machinery


def reason_of(error: BaseException) -> str:
    """The first line of an error, with its type where the text alone would not tell."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def frames_of(error: BaseException) -> Frames:
    """The frames of an error's traceback, innermost first, without torch's and our own."""
    found: list[tuple[Any, int]] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if not is_machinery(trace.tb_frame.f_code.co_filename):
            found.append((trace.tb_frame.f_code, trace.tb_lasti))
        trace = trace.tb_next
    return tuple(reversed(found))
