"""Folders in which user code left files, read and removed without following what it put there.

A linted file may replace its own folder by a link to any other, its answer by a pipe that nobody
writes to, or its name by that of another folder. So a folder is held by a descriptor from before
user code ran, nothing behind a link is removed, and only regular files are read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile

_HELD = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
"""False on Windows, where the user code can do the same as the user's other programs."""

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class HeldFolder:
    """A folder of bnlint's own; ``path`` may come to mean something else, the descriptor not."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = os.open(path, _FOLDER) if _HELD else -1

    @classmethod
    def new(cls) -> HeldFolder:
        """A new temporary folder."""
        return cls(tempfile.mkdtemp(prefix="bnlint-"))

    def drop(self, name: str) -> None:
        """Remove a folder in this one, unless a link took its place."""
        if _HELD:
            shutil.rmtree(name, ignore_errors=True, dir_fd=self._descriptor)
        else:
            shutil.rmtree(os.path.join(self.path, name), ignore_errors=True)

    def take(self, name: str, other: HeldFolder) -> None:
        """Move a folder of another one into this one, whatever its path means by now."""
        os.rename(name, name, src_dir_fd=other._descriptor, dst_dir_fd=self._descriptor)

    def stands(self) -> bool:
        """True if the folder is still where it was made."""
        try:
            return not _HELD or os.path.samestat(os.lstat(self.path), os.fstat(self._descriptor))
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the folder itself with all that is in it, if it is still where it was made."""
        if self.stands():
            shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let go of the folder, which stays."""
        if _HELD:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1


def read_file(path: str, last: int = 0) -> bytes | None:
    """The bytes of a regular file, or only its ``last`` ones; None for anything else."""
    try:
        number = os.open(path, _FILE)
    except (OSError, ValueError):
        return None
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode):  # a folder cannot even become a stream
        os.close(number)
        return None
    with open(number, "rb") as stream:
        if last:
            stream.seek(max(0, found.st_size - last))
        return stream.read()
