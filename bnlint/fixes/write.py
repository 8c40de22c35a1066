"""Files changed as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping

from bnlint.domain.errors import FixError, Mistake
from bnlint.domain.graph import Location
from bnlint.fixes.session import Editable
from bnlint.fixes.source import SourceText


def write(files: Mapping[str, Editable], texts: Mapping[str, SourceText]) -> tuple[str, ...]:
    """Write the texts that differ from their files; the paths written.

    Every file is looked at before the first is written.

    Raises
    ------
    FixError
        When a file is read-only, or is not what it was when it was checked.

    """
    changed = {path: text for path, text in texts.items() if text != files[path].source}
    mistakes = [m for path in changed if (m := _obstacle(path, files[path]))]
    if mistakes:
        raise FixError(*mistakes)
    for path, text in changed.items():
        _replace(path, text.encoded())
    return tuple(sorted(changed))


def _obstacle(path: str, file: Editable) -> Mistake | None:
    """Why the file cannot be changed, or None."""
    shown = Location(file.source.path, 1)
    if file.buffer:
        return Mistake("standard input cannot be changed", shown, hint="use --diff")
    try:
        with open(path, "rb") as stream:
            same = stream.read() == file.data
        mode = os.stat(path).st_mode
    except OSError as error:
        return Mistake(f"cannot be read again: {error.strerror}; nothing was changed", shown)
    if not same:
        hint = "run bnlint again"
        return Mistake("has changed while it was checked; nothing was changed", shown, hint=hint)
    if not mode & 0o222 or not os.access(path, os.W_OK):
        hint = f"make it writable: chmod u+w {file.source.path}"
        return Mistake("is read-only; nothing was changed", shown, hint=hint)
    if not os.access(os.path.dirname(path), os.W_OK):
        return Mistake("lies in a read-only folder; nothing was changed", shown)
    return None


def _replace(path: str, data: bytes) -> None:
    """Put new content in the place of a file, with the mode of the old one."""
    number, temporary = tempfile.mkstemp(prefix=".bnlint-", dir=os.path.dirname(path))
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise FixError(Mistake(f"cannot be written: {error.strerror}", Location(path, 1))) from None
