"""The sandbox of the ``sandbox`` extra: what the kernel keeps user code from (Linux, Landlock).

A sandboxed process can read what its user can read. It can write only in folders of bnlint's own,
and as far as the kernel has that: neither connect nor listen on TCP (6.7), nor signal a process or
open an abstract socket outside (6.12). What libraries keep in caches goes to a temporary folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import tempfile
from collections.abc import Iterable
from typing import Any

from bnlint.domain import SANDBOXED
from bnlint.isolation.refusals import refuse_outside

CHOICES = ("auto", "on", "off")
"""Where it can be used; always, or an error; never."""

_DEVICES = ("null", "zero", "full", "random", "urandom", "nvidia*", "dri/*", "kfd")
"""Below ``/dev``: those that take what is written without harm, and accelerators."""

_CACHES = (
    *("XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_CACHE_PATH"),
    *("TORCHINDUCTOR_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "YOLO_CONFIG_DIR", "KERAS_HOME"),
)
"""Variables that say where libraries keep what they compile or look up."""

_NETWORK_ABI, _SCOPE_ABI = 4, 6
_TCP = 0b11
_SCOPES = 0b11
"""Bind and connect; abstract sockets and signals (linux/landlock.h)."""


def lacking() -> str:
    """Why there can be no sandbox here; empty if there can."""
    try:
        import landlock
    except ImportError:
        return "the package landlock is not installed (pip install 'bnlint[sandbox]')"
    try:
        landlock.landlock_abi_version()
    except Exception as error:  # no Linux, an old kernel, or one without it
        return f"the kernel has no Landlock: {getattr(error, 'reason', None) or error}"
    return ""


def enter(choice: str, folder: str, *more: str) -> bool:
    """Confine this process and all it starts, for good; True if it is confined.

    It may write in ``folder``, which takes temporary files and caches, and in ``more``. Raises
    OSError if the choice is ``on`` and it cannot be confined.
    """
    if choice == "off" or (choice == "auto" and lacking()):
        return False
    caches = os.path.join(folder, "caches")
    os.makedirs(caches, exist_ok=True)
    os.environ.update(dict.fromkeys(_CACHES, caches))
    os.environ["TMPDIR"] = tempfile.tempdir = caches
    devices = (path for name in _DEVICES for path in glob.glob(f"/dev/{name}"))
    try:
        _restrict((folder, *more), devices)
    except OSError:  # a container may allow to ask for the version, and nothing else
        if choice == "on":
            raise
        return False
    refuse_outside((folder, *more))
    os.environ[SANDBOXED] = "1"
    return True


def _restrict(folders: Iterable[str], devices: Iterable[str]) -> None:
    from landlock import FSAccess, landlock_abi_version
    from landlock.plumbing import get_create_ruleset
    from landlock.porcelain import Ruleset

    reading: Any = FSAccess.EXECUTE | FSAccess.READ_FILE | FSAccess.READ_DIR
    if landlock_abi_version() >= 5:
        reading |= FSAccess.IOCTL_DEV
    writing = FSAccess.all() & ~reading
    rules = Ruleset(writing)
    if landlock_abi_version() >= _NETWORK_ABI:
        os.close(rules._fd)
        wanted = _attributes(int(writing), landlock_abi_version())
        size = ctypes.sizeof(wanted)
        object.__setattr__(rules, "_fd", get_create_ruleset()(ctypes.byref(wanted), size, 0))
    rules.allow(*folders, rules=writing)
    for device in devices:
        with contextlib.suppress(OSError):
            rules.allow(device, rules=FSAccess.all_file() & writing)
    rules.apply()
    os.close(rules._fd)


def _attributes(writing: int, abi: int) -> ctypes.Structure:
    """The rules for files, which the library knows, with those for network and signals."""
    from landlock.plumbing import RulesetAttr

    names = ["handled_access_net", *(["scoped"] if abi >= _SCOPE_ABI else [])]
    fields = [(name, ctypes.c_uint64) for name in names]
    kind = type("Attributes", (RulesetAttr,), {"_fields_": fields})
    wanted: ctypes.Structure = kind(writing, _TCP, *([_SCOPES] if abi >= _SCOPE_ABI else []))
    return wanted
