"""All arguments together as source files: every file once, in the order of paths."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tokenize
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.sources.cells import SUFFIX, Notebook, read_notebook
from bnlint.sources.expand import FileSearch, Match, clean, expand, module_file

_MENTIONS = r"torch|\bnn\b|\bdef forward\b"
"""What a file must mention to be checked unless it was named by hand: layers may be imported."""


class SourceFile(NamedTuple):
    """A file to check.

    ``path`` is as reports show it: relative to the working directory with forward slashes when it
    is below, else absolute. ``digest`` is the SHA-256 of its bytes. ``targets`` are the calls or
    names after ``::``. ``module`` is the dotted name if an installed module was named. ``buffer``
    is true if the text replaces what is on the disk (standard input, an editor's buffer). The text
    of a notebook is its code; ``cells`` are the first lines of its cells, with their numbers.
    """

    path: str
    text: str
    digest: str
    targets: tuple[str, ...] = ()
    named_by_hand: bool = False
    module: str = ""
    buffer: bool = False
    cells: tuple[tuple[int, int], ...] = ()


class Sources(NamedTuple):
    """The files to check in the order of their paths, and what is not checked.

    ``skipped`` are files without a sign of a model. ``by_hand`` holds the paths of all
    that was named one by one, also of what could not be read.
    """

    files: tuple[SourceFile, ...] = ()
    skipped: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    by_hand: tuple[str, ...] = ()


def collect(arguments: Sequence[str], search: FileSearch) -> Sources:
    """The source files that the arguments name; what cannot be read becomes a problem.

    An argument is a file, a folder, a glob, ``-``, ``file::Target(...)`` or ``pkg.module::Name``.
    A file is read once however often it is named; named targets win over the whole file.
    """
    found: dict[str, list[Match]] = {}
    results: list[SourceFile | Problem] = []
    by_hand: set[str] = set()
    for argument in arguments:
        if argument == "-":
            if name := _stdin_name(search):
                by_hand.add(name)
                results.append(source_file(name, search.stdin, by_hand=True, buffer=True))
            continue
        matches = expand(argument, search)
        if matches is None:
            by_hand.add(argument)
            results.append(_missing(argument, search))
        for match in matches or ():
            found.setdefault(os.path.realpath(match.path), []).append(match)
    results += [_read(matches, search) for matches in found.values()]
    by_hand |= {search.shown(m[0].path) for m in found.values() if any(e.by_hand for e in m)}
    by_hand |= {match.module for matches in found.values() for match in matches if match.module}
    return _sorted(results, by_hand, search.sift)


def _stdin_name(search: FileSearch) -> str:
    """The path that standard input is shown as; empty if that file is excluded."""
    if not search.stdin_filename:
        return "<stdin>"
    path = clean(search.cwd / search.stdin_filename)
    return "" if search.force_exclude and search.excluded(path) else search.shown(path)


def _read(matches: Sequence[Match], search: FileSearch) -> SourceFile | Problem:
    path = matches[0].path
    return source_file(
        search.shown(path),
        partial(_read_regular, path),
        targets=tuple(dict.fromkeys(match.target for match in matches if match.target)),
        by_hand=any(match.by_hand for match in matches),
        module=next((match.module for match in matches if match.module), ""),
    )


def _read_regular(path: Path) -> bytes:
    """The bytes of a file; raises OSError for a pipe, a socket or a device, which may never end."""
    if path.exists() and not path.is_file():
        raise OSError("it is a pipe, a socket or a device")
    return path.read_bytes()


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
    if shown.endswith(SUFFIX):
        found = _notebook(shown, data, by_hand)
        if isinstance(found, Problem):
            return found
        text, cells = found.text, found.starts
        digest = hashlib.sha256(data).hexdigest()
        return SourceFile(shown, text, digest, targets, by_hand, module, buffer, cells)
    try:
        text = _decode(data)
    except (SyntaxError, UnicodeError, LookupError) as error:
        hint = "save it as UTF-8, or declare its encoding in the first line"
        return _unreadable(shown, f"is not readable as Python source: {error}", hint)
    digest = hashlib.sha256(data).hexdigest()
    return SourceFile(shown, text, digest, targets, by_hand, module, buffer)


def _notebook(shown: str, data: bytes, by_hand: bool) -> Notebook | Problem:
    """The code of a notebook; that of another language is a problem only where it was named."""
    try:
        notebook = read_notebook(data)
    except ValueError as error:
        hint = "open it in Jupyter and save it again"
        return _unreadable(shown, f"is not a readable notebook: {error}", hint)
    if "python" in notebook.language:
        return notebook
    if by_hand:
        said = f"is a notebook for {notebook.language}, not for Python"
        return _unreadable(shown, said, "name a notebook with a Python kernel")
    return Notebook("", ())


def _decode(data: bytes) -> str:
    """The text after its byte order mark or coding comment (PEP 263), with plain line ends."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return io.TextIOWrapper(io.BytesIO(data), encoding).read()


def _unreadable(shown: str, message: str, hint: str) -> Problem:
    return Problem(ProblemKind.UNREADABLE, shown, message, hint, blocking=True)


def _sorted(results: Sequence[SourceFile | Problem], by_hand: set[str], sift: bool) -> Sources:
    """The results in the order of paths; files without a sign of a model are skipped."""
    files = sorted((r for r in results if isinstance(r, SourceFile)), key=lambda f: f.path)
    problems = sorted((r for r in results if isinstance(r, Problem)), key=lambda p: p.file)
    checked = tuple(f for f in files if _is_wanted(f, sift) or re.search(_MENTIONS, f.text))
    chosen = {f.path for f in checked}
    skipped = tuple(f.path for f in files if f.path not in chosen)
    return Sources(checked, skipped, tuple(problems), tuple(sorted(by_hand)))


def _is_wanted(file: SourceFile, sift: bool) -> bool:
    """True for a file that is checked whatever its text mentions."""
    return bool(file.targets or file.module or (file.named_by_hand and not sift))


def _missing(argument: str, search: FileSearch) -> Problem:
    name, separator, _ = argument.partition("::")
    if os.path.exists(search.cwd / name):
        message, hint = "is neither a file nor a folder", "for a pipe: bnlint - < PIPE"
    elif any(char in name for char in "*?["):
        message, hint = "no file matches this glob", "quote it, or check the folder"
    elif separator and "/" not in name and not name.endswith(".py"):
        message, hint = f"there is no file and no installed module '{name}'", _similar(name, search)
    elif not separator and module_file(name, search.cwd):
        message = f"there is no such file; {name} is an installed module"
        hint = f"name a model in it: {name}::Name"
    else:
        message, hint = "there is no such file or folder", _similar(name, search)
    return Problem(ProblemKind.NOT_FOUND, argument, message, hint, blocking=True)


def _similar(name: str, search: FileSearch) -> str:
    """``did you mean …?`` with the most similar name in the same folder."""
    from difflib import get_close_matches

    path = search.cwd / Path(name).expanduser()
    try:
        names = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return f"there is no folder {search.shown(path.parent)} either"
    close = get_close_matches(path.name, sorted(names), n=1)
    return f"did you mean '{search.shown(path.parent / close[0])}'?" if close else ""
