"""What the kernel's sandbox does not know, and Python's own functions refuse in its place.

Code that calls the system directly, and programs that it starts, get around that.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from typing import Any

_ATTRIBUTES = ("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr")
"""The audit events of changes of a file that are no writing; a path or a descriptor is first."""

_LIMITS = "resource.prlimit"
_NO_FOLDER = -1


def refuse_outside(folders: Iterable[str]) -> None:
    """Refuse to change modes, owners and times outside ``folders``, and limits of others; for good.

    What is called here is kept: the user's code may replace it later.
    """
    allowed = tuple(os.path.realpath(folder) + os.sep for folder in folders)
    realpath, getpid, has, text = os.path.realpath, os.getpid, isinstance, os.fsdecode

    def place(path: Any, folder: Any) -> str:
        if has(path, int):
            return realpath(f"/proc/self/fd/{path}")
        below = f"/proc/self/fd/{folder}" if has(folder, int) and folder != _NO_FOLDER else ""
        return realpath(f"{below}/{text(path)}" if below and text(path)[:1] != "/" else path)

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event in _ATTRIBUTES:
            folder = args[-1] if event in _ATTRIBUTES[:3] else _NO_FOLDER
            if not f"{place(args[0], folder)}/".startswith(allowed):
                raise PermissionError(errno.EACCES, "Permission denied", args[0])
        elif event == _LIMITS and args[0] not in (0, getpid()):
            raise PermissionError(errno.EPERM, "Operation not permitted")

    sys.addaudithook(hear)
