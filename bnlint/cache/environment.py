"""What is installed, read from file names: nothing is imported, least of all torch."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bnlint.cache.dependencies import file_digest
from bnlint.cache.store import Store, digest
from bnlint.domain import VERSION

_RECORDS = digest("records of installers")
_VERSION = re.compile(r"^__version__\s*=\s*['\"]([^'\"]+)", re.MULTILINE)


def torch_version() -> str:
    """The version of the torch that an import would find, or nothing when there is none."""
    for folder in sys.path:
        try:
            text = Path(folder or ".", "torch", "version.py").read_text(encoding="utf-8")
        except OSError:
            continue
        found = _VERSION.search(text)
        return found[1] if found else "unknown"
    return ""


def environment(store: Store) -> str:
    """A digest of bnlint, Python and every installed distribution with its version.

    A model may be built from any installed package, so all of them count, with what their
    installers recorded of their files. That makes the digest the same on every machine that has
    the same packages: a cache can be carried from one CI run to the next. ``PYTHONPATH`` counts
    because it decides where modules are found.
    """
    records = _Records(store)
    installed = sorted({record for folder in sys.path for record in records.of(folder)})
    records.keep()
    searched = os.environ.get("PYTHONPATH", "")
    return digest(own_code(), sys.version, sys.platform, torch_version(), searched, *installed)


class _Records:
    """The digests of what installers recorded, by the size and the times of each record.

    A hundred packages have megabytes of records, which are read only when they are new.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        kept = store.get(_RECORDS)
        try:
            self._known: dict[str, list[Any]] = dict(json.loads(kept or b"{}"))
        except (ValueError, TypeError, RecursionError):
            self._known = {}
        self._used: dict[str, list[Any]] = {}

    def of(self, folder: str) -> Iterator[str]:
        """A text for each distribution and each path file of a folder of installed packages."""
        for name in _entries(folder):
            if name.endswith(".dist-info"):
                yield f"{name} {self._digest(os.path.join(folder, name, 'RECORD'))}"
            elif name.endswith((".egg-info", ".egg-link", ".pth")):
                yield f"{name} {self._digest(os.path.join(folder, name))}"

    def _digest(self, path: str) -> str:
        try:
            found = os.stat(path)
        except OSError:
            return ""
        known = self._known.get(path)
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns]
        if type(known) is not list or known[:-1] != stamp:
            known = [*stamp, file_digest(path)]
        self._used[path] = known
        return str(known[-1])

    def keep(self) -> None:
        """Remember the digests for the next run, if there are new ones."""
        if self._used != self._known:
            self._store.put(_RECORDS, json.dumps(self._used).encode())


@cache
def own_code() -> str:
    """A digest that changes with bnlint: its version, and the sizes of its source files.

    The version alone is enough for releases; the sizes tell the states of a checkout apart, and are
    the same on every machine.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return digest(VERSION, *sorted(_sizes(package, "")))


def _sizes(folder: str, below: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        name = f"{below}/{entry.name}"
        if entry.name.endswith((".py", ".yaml")):
            yield f"{name} {entry.stat().st_size}"
        elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
            yield from _sizes(entry.path, name)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder) if folder.endswith(("site-packages", "dist-packages")) else []
    except OSError:
        return []
