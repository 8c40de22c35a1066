"""A version of the files, written from git into a folder of bnlint's own.

The folder is called after the content, so that what was traced there once is found in the cache,
and it is removed when no run uses it any more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bnlint.comparing.git_commands import SUBMODULE, BlobEntry, Repository, Version, content_of
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.phrases import plural

_SOURCES = (".py", ".pyi", ".ipynb")
_LARGEST, _LARGEST_SOURCE = 512 << 10, 16 << 20
"""Bytes of a file that is exported: models are built from small ones; weights and data are not."""
_LINK = "120000"


@contextlib.contextmanager
def exported(repository: Repository, version: Version) -> Iterator[tuple[Path, list[Problem]]]:
    """A folder with the files of a version inside the block, and what is not in it."""
    home = _home()
    entries = repository.entries(version)
    name = content_of(entries)
    folder, problems = home / name, list[Problem]()
    with _shared(home / f"{name}.lock") as last:
        last(folder)  # that a run left which was killed
        if not folder.is_dir():
            draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=home))
            try:
                problems += _write(repository, version, entries, draft, draft)
                with contextlib.suppress(OSError):  # another run was faster
                    draft.rename(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        try:
            yield folder, problems
        finally:
            last(folder)


def _home() -> Path:
    """The folder for all exported versions of this user; nobody else may write there."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    home = Path(tempfile.gettempdir()) / f"bnlint-{user}-revisions"
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o077):
        return Path(tempfile.mkdtemp(prefix="bnlint-"))
    return home


@contextlib.contextmanager
def _shared(path: Path) -> Iterator[Callable[[Path], None]]:
    """A lock that runs share; the function inside removes a folder if no other run holds it."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield _removed
        return
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_SH)

        def remove(folder: Path) -> None:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            fcntl.flock(file, fcntl.LOCK_SH)  # an attempt that fails gives up the shared one

        try:
            yield remove
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)


def _removed(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _write(
    repository: Repository, version: Version, entries: list[BlobEntry], top: Path, folder: Path
) -> Iterator[Problem]:
    """Write the files of a version, with its submodules, into ``folder`` somewhere in ``top``."""
    lost = 0
    for entry, data in repository.blobs([e for e in entries if e.mode != SUBMODULE]):
        if data is None:
            lost += 1
            continue
        most = _LARGEST_SOURCE if entry.path.endswith(_SOURCES) else _LARGEST
        if len(data) > most:
            continue
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == _LINK:
            _link(path, data, top)
        else:
            path.write_bytes(data)
    if lost:
        said = f"{plural(lost, 'file')} of {version.name} could not be read from this clone"
        yield Problem(ProblemKind.UNREADABLE, version.name, said, "fetch them first: git fetch")
    for entry in entries:
        if entry.mode == SUBMODULE:
            yield from _write_submodule(repository, version, entry, top, folder / entry.path)


def _write_submodule(
    repository: Repository, version: Version, entry: BlobEntry, top: Path, folder: Path
) -> Iterator[Problem]:
    inside = repository.submodule(entry)
    if inside is not None:
        there = Version(version.name, entry.blob)
        yield from _write(inside, there, inside.entries(there), top, folder)
        return
    said = f"a submodule could not be read at {version.name}; what imports it may not be built"
    hint = "fetch it first: git submodule update --init"
    yield Problem(ProblemKind.SKIPPED_CODE, entry.path, said, hint)


def _link(path: Path, target: bytes, top: Path) -> None:
    """A link that stays inside of the exported files."""
    text = os.fsdecode(target)
    aim = Path(os.path.normpath(path.parent / text))
    if not os.path.isabs(text) and aim.is_relative_to(top):
        with contextlib.suppress(OSError):
            path.symlink_to(text)
