"""A content-addressed store in a folder, which may break in any way without harm.

An entry is one file: its SHA-256, a line end, its bytes. It is written to a draft and moved, so
that no reader ever sees half of it; a damaged, foreign or edited entry fails its digest and counts
as missing. A folder that cannot be written is a cache that keeps nothing. Data is kept with the
digests of the files it depends on, which are compared whenever it is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of bnlint; it can be deleted at any time.\n"
)
_FORMAT = 1
"""Of the data that :func:`save` writes."""

_DAY = 24 * 60 * 60
_KEPT_DAYS = 30


def digest(*parts: str | bytes) -> str:
    """The SHA-256 of the parts as hex; where one part ends and the next begins matters."""
    sum_ = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        sum_.update(len(data).to_bytes(8, "little"))
        sum_.update(data)
    return sum_.hexdigest()


class Store:
    """Bytes by key; ``folder`` None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def keeps(self) -> bool:
        """False for a store without a folder."""
        return self._folder is not None

    def get(self, key: str) -> bytes | None:
        """The bytes kept under ``key``, or None when there are none that are whole."""
        if self._folder is None:
            return None
        path = self._folder / key[:2] / key[2:]
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            if head.decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
                return None
            _touch(path)
        except OSError:
            return None
        return body

    def put(self, key: str, body: bytes) -> bool:
        """Keep the bytes under ``key``; False when the folder cannot be written."""
        if self._folder is None:
            return False
        path = self._folder / key[:2] / key[2:]
        try:
            _prepare(self._folder, path.parent)
            _replace(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        except OSError:
            return False
        return True

    def trim(self) -> int:
        """The number of entries dropped: those that no run has read for 30 days."""
        if self._folder is None or not _due(self._folder / "trimmed"):
            return 0
        dropped = 0
        limit = time.time() - _KEPT_DAYS * _DAY
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit:
                    path.unlink()
                    dropped += 1
        return dropped


def _prepare(root: Path, folder: Path) -> None:
    """Make the folders; the cache marks itself as one, for backups and for git."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("CACHEDIR.TAG", _TAG), (".gitignore", "*\n")):
        if not (root / name).exists():
            _replace(root / name, text.encode())


def _touch(path: Path) -> None:
    """Mark an entry as used, at most once a day, so that trimming keeps it."""
    if time.time() - path.stat().st_mtime > _DAY:
        with contextlib.suppress(OSError):
            os.utime(path)


def _due(mark: Path) -> bool:
    """True once a day, by the age of a file."""
    try:
        recent = mark.exists() and time.time() - mark.stat().st_mtime < _DAY
        if recent or not mark.parent.is_dir():
            return False
        mark.touch()
    except OSError:
        return False
    return True


def load(store: Store, key: str) -> Any | None:
    """The data kept under ``key``; None when it is missing or a file it depends on has changed."""
    body = store.get(key)
    if body is None:
        return None
    try:
        version, dependencies, data = json.loads(body)
    except (ValueError, TypeError):
        return None
    fresh = version == _FORMAT and all(file_digest(p) == known for p, known in dependencies.items())
    return data if fresh else None


def save(
    store: Store, key: str, data: Any, depends_on: Iterable[str] = (), started: float = 0.0
) -> bool:
    """Keep JSON-ready data under ``key``, with the digests of the files it depends on.

    ``depends_on`` are the model's own file, the local modules that it imported, and the files and
    folders that were searched for calls of it. With ``started``
    (as ``time.time()``), nothing is kept when one of them was written after that: the data may then
    come from the older text. Nothing is kept either when one of them cannot be read.
    """
    dependencies = {path: file_digest(path) for path in sorted(set(depends_on))}
    try:
        files = (path for path in dependencies if not os.path.isdir(path))
        newer = started and any(os.stat(path).st_mtime >= started for path in files)
    except OSError:
        return False
    if newer or not all(dependencies.values()):
        return False
    entry = [_FORMAT, dependencies, data]
    return store.put(key, json.dumps(entry, separators=(",", ":")).encode())


def file_digest(path: str) -> str:
    """The SHA-256 of a file's bytes, or of a folder's names; nothing when it cannot be read."""
    try:
        if os.path.isdir(path):
            names = sorted(n for n in os.listdir(path) if not n.startswith((".", "__pycache__")))
            return digest(*names)
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def _replace(path: Path, data: bytes) -> None:
    """Write a file in one step; a process killed midway leaves the old one, or none."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
