"""What is installed, read from file names: nothing is imported, least of all torch."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bnlint.cache.store import digest
from bnlint.domain import VERSION

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


def environment() -> str:
    """A digest of bnlint, Python and every installed distribution with its version.

    A model may be built from any installed package, so all of them count. Their versions are in
    the names of their metadata folders, which makes the digest the same on every machine that has
    the same packages: a cache can be carried from one CI run to the next.
    """
    installed = {
        entry
        for folder in sys.path
        for entry in _entries(folder)
        if entry.endswith((".dist-info", ".egg-info", ".egg-link"))
    }
    return digest(own_code(), sys.version, sys.platform, torch_version(), *sorted(installed))


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
