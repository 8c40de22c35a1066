"""``a, b = proxy`` while fx traces: as many items as there are names.

fx reads all instructions of the code that iterates, each time, and keeps the frame in itself: what
it ends with an error (``for x in proxy``) then holds the model until the garbage is collected.
"""

from __future__ import annotations

import contextlib
import dis
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

from torch import fx


@contextlib.contextmanager
def unpacked_by_instruction() -> Iterator[None]:
    """Inside the block, the one instruction that iterates over a proxy is read, once."""
    kind: Any = fx.Proxy
    plain = kind.__iter__
    kind.__iter__ = _items
    try:
        yield
    finally:
        kind.__iter__ = plain


def _items(proxy: Any) -> Iterator[Any]:
    """The items that are unpacked; what the tracer does where any number of them may be asked."""
    count = _wanted(sys._getframe(1))
    if count is None:
        found: Iterator[Any] = proxy.tracer.iter(proxy)
        return found
    return (proxy[i] for i in range(count))


def _wanted(frame: FrameType) -> int | None:
    return _names_at(frame.f_code, frame.f_lasti)


@lru_cache(maxsize=1024)
def _names_at(code: CodeType, place: int) -> int | None:
    """The number of names that an instruction unpacks to; None for any other instruction."""
    step = next((each for each in dis.get_instructions(code) if each.offset >= place), None)
    unpacks = step is not None and step.opname == "UNPACK_SEQUENCE"
    return int(step.argval) if step is not None and unpacks else None
