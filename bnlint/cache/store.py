"""A content-addressed store in a folder, which may break in any way without harm.

An entry is one file: its SHA-256, a line end, its bytes. It is written to a draft and moved, so
that no reader ever sees half of it; a damaged, foreign or edited entry fails its digest and counts
as missing. A folder that cannot be written is a cache that keeps nothing. Data is kept with the
state of all it depends on, which is compared whenever it is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from bnlint.cache.dependencies import States
from bnlint.domain.codec import decode, encode
from bnlint.domain.request import NOTHING, Consulted

T = TypeVar("T")

_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of bnlint; it can be deleted at any time.\n"
)
_FORMAT = 4
"""Of the data that :func:`save` writes."""

_LEVEL = 6
"""Of the compression: graphs repeat themselves, and become about a twentieth."""

_DAY = 24 * 60 * 60
_KEPT_DAYS = 30

_MOST = 256 << 20
"""Bytes that all entries may take together; the oldest are dropped until three quarters are left.
"""


def digest(*parts: str | bytes) -> str:
    """The SHA-256 of the parts as hex; where one part ends and the next begins matters."""
    sum_ = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        sum_.update(len(data).to_bytes(8, "little"))
        sum_.update(data)
    return sum_.hexdigest()


class Store:
    """Bytes by key; ``folder`` None keeps nothing.

    ``states`` are those of the files that entries depend on, each looked at once in a run.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._grown = False
        self.states = States()

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
        self._grown = True
        return True

    def trim(self, most: int = _MOST) -> int:
        """The number of entries dropped: those unread for 30 days, and the oldest of too many."""
        if self._folder is None or not (_due(self._folder / "trimmed") or self._grown):
            return 0
        entries = sorted(self._entries(), reverse=True)  # the latest first
        total, limit, dropped = 0, time.time() - _KEPT_DAYS * _DAY, 0
        allowed = most if sum(size for _, size, _ in entries) <= most else most * 3 // 4
        for used, size, path in entries:
            total += size
            if used < limit or total > allowed:
                with contextlib.suppress(OSError):
                    path.unlink()
                    dropped += 1
        return dropped

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """When each entry was last used, its bytes and its path."""
        assert self._folder is not None
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(OSError):
                found = path.stat()
                yield found.st_mtime, found.st_size, path


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


def load(store: Store, key: str, kind: type[T]) -> T | None:
    """What is kept under ``key``; None if it is missing, or what it depends on has changed."""
    body = store.get(key)
    if body is None:
        return None
    try:
        version, known, data = json.loads(zlib.decompress(body))
        fresh = version == _FORMAT and store.states.hold(known)
        return decode(kind, data) if fresh else None
    except (ValueError, TypeError, LookupError, AttributeError, zlib.error, RecursionError):
        return None  # forged, or from another version


def save(
    store: Store,
    key: str,
    value: Any,
    consulted: Consulted = NOTHING,
    own: Iterable[str] = (),
    started: float = 0.0,
) -> bool:
    """Keep a dataclass under ``key``, with the state of all that was consulted for it.

    ``own`` are more files that it depends on. With ``started`` (as ``time.time()``), nothing is
    kept if one of the files was written after that: the value may then come from the older text.
    Nothing is kept either if not all that was consulted is known.
    """
    own = tuple(own)
    if not consulted.all or not all(map(os.path.exists, own)):
        return False
    if started and any(_written(path) >= started for path in (*own, *consulted.files)):
        return False
    entry = [_FORMAT, States().of(consulted, own), encode(value)]
    return store.put(key, zlib.compress(json.dumps(entry, separators=(",", ":")).encode(), _LEVEL))


def _written(path: str) -> float:
    """When a file was last written; 0 for what is no file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return 0.0
    return found.st_mtime if stat.S_ISREG(found.st_mode) else 0.0


def _replace(path: Path, data: bytes) -> None:
    """Write a file in one step; a process killed midway leaves the old one, or none."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
