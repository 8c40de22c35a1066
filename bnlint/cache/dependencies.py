"""What a kept result depends on outside its own file, and whether all of it is still the same."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.machinery
import os
import re
import stat
from collections.abc import Iterable, Mapping
from typing import Any

from bnlint.domain.request import Consulted

_LARGE = 16 << 20
"""Bytes from which a file is known by its size and time; its content would take too long."""

EVERY_NAME = ""
"""Stands among the variables for the names of all that are set."""

_OF_TOOLS = re.compile(
    r"__pycache__|\.(?:.*_)?cache|\.(?:git|idea|vscode|ipynb_checkpoints|DS_Store|coverage.*|.*\.sw.)"
)
"""Names that tools add to a folder for themselves."""

_SUFFIXES = tuple(importlib.machinery.all_suffixes())

_RIGHTS = {" r": os.R_OK, " w": os.W_OK, " x": os.X_OK}

State = Mapping[str, Mapping[str, Any]]
"""JSON-ready: the states of what :class:`Consulted` names, by its fields."""


class States:
    """The states of files and folders, each looked at once."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, frozenset[str] | None] = {}

    def of(self, consulted: Consulted, own: Iterable[str] = ()) -> State:
        """The state of all that was consulted, and of the files in ``own``."""
        return {
            "files": {path: self.file(path) for path in sorted({*consulted.files, *own})},
            "seen": {path: _seen(path) for path in consulted.seen},
            "measured": {path: _measured(path) for path in consulted.measured},
            "folders": {path: self.folder(path) for path in consulted.folders},
            "modules": consulted.modules,
            "variables": {name: _variable(name) for name in consulted.variables},
        }

    def hold(self, known: State) -> bool:
        """True if everything is as it was.

        Raises AttributeError, KeyError or TypeError for what is no state at all.
        """
        return (
            all(self.file(path) == state for path, state in known["files"].items())
            and all(_seen(path) == kind for path, kind in known["seen"].items())
            and all(_measured(path) == size for path, size in known["measured"].items())
            and all(self.folder(path) == state for path, state in known["folders"].items())
            and all(_variable(name) == state for name, state in known["variables"].items())
            and all(self._has(folder, names) for folder, names in known["modules"].items())
        )

    def file(self, path: str) -> str:
        """The digest of a file, ``folder`` or ``special`` for others, and nothing if it is gone."""
        if path not in self._files:
            self._files[path] = _file_state(path)
        return self._files[path]

    def folder(self, path: str) -> str:
        """A digest of the names in a folder, but for those that programs write for themselves."""
        names = self._names(path)
        if names is None:
            return ""
        kept = sorted(name for name in names if not _OF_TOOLS.fullmatch(name))
        return hashlib.sha256("\0".join(kept).encode("utf-8", "surrogatepass")).hexdigest()

    def _names(self, path: str) -> frozenset[str] | None:
        if path not in self._folders:
            try:
                self._folders[path] = frozenset(os.listdir(path))
            except OSError:
                self._folders[path] = None
        return self._folders[path]

    def _has(self, folder: str, names: Mapping[str, bool]) -> bool:
        entries = self._names(folder) or frozenset()
        return all(has_module(entries, name) == there for name, there in names.items())


def has_module(entries: frozenset[str], name: str) -> bool:
    """True if a folder with these entries has a module of that name, or a folder called so."""
    return name in entries or any(name + suffix in entries for suffix in _SUFFIXES)


def file_digest(path: str) -> str:
    """The SHA-256 of a file's bytes, or nothing when it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _seen(path: str) -> str:
    """What is there, what this user may do with it, and the target of a link."""
    kind = _kind(path)
    if kind:
        kind += "".join(letter for letter, mode in _RIGHTS.items() if os.access(path, mode))
    with contextlib.suppress(OSError, ValueError):
        if os.path.islink(path):
            kind += f" {os.readlink(path)}"
    return kind


def _measured(path: str) -> str:
    """The size and the time of the last change; nothing if nothing is there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _kind(path: str) -> str:
    """``file``, ``folder`` or ``special``; nothing if there is none."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "special"


def _file_state(path: str) -> str:
    kind = _kind(path)
    if kind != "file":
        return kind  # a pipe would wait for somebody who writes
    return _measured(path) if os.stat(path).st_size > _LARGE else file_digest(path)


def _variable(name: str) -> str | None:
    """A digest of a variable's value, which may be a secret; None if it is not set."""
    value = "\0".join(sorted(os.environ)) if name == EVERY_NAME else os.environ.get(name)
    if value is None:
        return None
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()
