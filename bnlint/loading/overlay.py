"""Texts that stand in for local files while they are imported, so that an edit can be tried."""

from __future__ import annotations

import contextlib
import importlib.machinery
import io
import linecache
import os
from collections.abc import Iterable, Iterator
from typing import Any


@contextlib.contextmanager
def overlaid(texts: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Import the given texts where the files at their (absolute) paths are imported."""
    known = {os.path.realpath(path): text for path, text in texts}
    if not known:
        yield
        return
    for path, text in known.items():  # where columns are looked up
        linecache.cache[path] = (len(text), None, io.StringIO(text).readlines(), path)
    loader: Any = importlib.machinery.SourceFileLoader
    data, stats = loader.get_data, loader.path_stats

    def get_data(self: Any, path: str) -> bytes:
        text = known.get(os.path.realpath(path))
        found: bytes = data(self, path) if text is None else _encoded(text)
        return found

    def path_stats(self: Any, path: str) -> Any:
        if os.path.realpath(path) in known:
            raise OSError("no bytecode is kept of a text that is on no disk")
        return stats(self, path)

    loader.get_data, loader.path_stats = get_data, path_stats
    try:
        yield
    finally:
        loader.get_data, loader.path_stats = data, stats


def _encoded(text: str) -> bytes:
    """The text as bytes that Python decodes as UTF-8 whatever coding its first lines declare."""
    return b"\xef\xbb\xbf" + _without_cookie(text).encode("utf-8")


def _without_cookie(text: str) -> str:
    """The text with a coding comment blanked out: a mark and another coding are an error."""
    lines = text.split("\n", 2)
    for number, line in enumerate(lines[:2]):
        if line.lstrip().startswith("#") and "coding" in line:
            lines[number] = "#"
    return "\n".join(lines)
