"""``a, b = proxy`` while fx traces: as many items as there are names.

fx reads all instructions of the code that iterates, each time, and keeps the frame in itself: what
it ends with an error (``for x in proxy``) then holds the model until the garbage is collected.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from torch import fx

from bnlint.tracing.forward.next_steps import names_unpacked_at


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
    count = names_unpacked_at(sys._getframe(1))
    if count is None:
        found: Iterator[Any] = proxy.tracer.iter(proxy)
        return found
    return (proxy[i] for i in range(count))
