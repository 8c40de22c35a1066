"""Files that are imported into the process of a test, without a trace of it afterwards."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def nothing_stays() -> Iterator[None]:
    """Restore the modules and the path after the block."""
    modules, path = dict(sys.modules), [*sys.path]
    try:
        yield
    finally:
        for name in [*sys.modules]:
            if name not in modules:
                del sys.modules[name]
        sys.modules.update(modules)
        sys.path[:] = path
