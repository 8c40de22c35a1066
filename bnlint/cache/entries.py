"""Data in the store together with the files it depends on, checked whenever it is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bnlint.cache.store import Store

FORMAT = 1


def load(store: Store, key: str) -> Any | None:
    """The data kept under ``key``; None when it is missing or a file it depends on has changed."""
    body = store.get(key)
    if body is None:
        return None
    try:
        version, dependencies, data = json.loads(body)
    except (ValueError, TypeError):
        return None
    fresh = version == FORMAT and all(file_digest(p) == known for p, known in dependencies.items())
    return data if fresh else None


def save(
    store: Store, key: str, data: Any, depends_on: Iterable[str] = (), started: float = 0.0
) -> bool:
    """Keep JSON-ready data under ``key``, with the digests of the files it depends on.

    ``depends_on`` are the model's own file and the local modules that it imported. With ``started``
    (as ``time.time()``), nothing is kept when one of them was written after that: the data may then
    come from the older text. Nothing is kept either when one of them cannot be read.
    """
    paths = sorted(set(depends_on))
    if started and any(_written(path) >= started for path in paths):
        return False
    dependencies = {path: file_digest(path) for path in paths}
    if not all(dependencies.values()):
        return False
    entry = [FORMAT, dependencies, data]
    return store.put(key, json.dumps(entry, separators=(",", ":")).encode())


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def file_digest(path: str) -> str:
    """The SHA-256 of a file's bytes, or nothing when it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""
