"""One source file: its bytes, decoded as Python itself would decode them."""

from __future__ import annotations

import hashlib
import io
import tokenize
from collections.abc import Callable
from dataclasses import dataclass

from bnlint.domain.finding import Problem, ProblemKind


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to check.

    ``path`` is as reports show it: relative to the working directory with forward slashes when it
    is below, else absolute. ``digest`` is the SHA-256 of its bytes. ``targets`` are the calls or
    names after ``::``. ``module`` is the dotted name if an installed module was named. ``buffer``
    is true if the text replaces what is on the disk (standard input, an editor's buffer).
    """

    path: str
    text: str
    digest: str
    targets: tuple[str, ...] = ()
    named_by_hand: bool = False
    module: str = ""
    buffer: bool = False


def source_file(
    shown: str,
    read: Callable[[], bytes],
    *,
    targets: tuple[str, ...] = (),
    by_hand: bool = False,
    module: str = "",
    buffer: bool = False,
) -> SourceFile | Problem:
    """The source file, or the problem that prevents reading it."""
    try:
        data = read()
    except OSError as error:
        reason = error.strerror or str(error)
        return _unreadable(shown, f"cannot be read: {reason}", "check that you may read it")
    try:
        text = _decode(data)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        hint = "save it as UTF-8, or declare its encoding in the first line"
        return _unreadable(shown, f"is not readable as Python source: {error}", hint)
    digest = hashlib.sha256(data).hexdigest()
    return SourceFile(shown, text, digest, targets, by_hand, module, buffer)


def _decode(data: bytes) -> str:
    """The text after its byte order mark or coding comment (PEP 263), with plain line ends."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return io.TextIOWrapper(io.BytesIO(data), encoding).read()


def _unreadable(shown: str, message: str, hint: str) -> Problem:
    return Problem(ProblemKind.UNREADABLE, shown, message, hint, blocking=True)
