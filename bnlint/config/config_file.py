"""Which config file applies, its table as data, and where in its text a key or a value is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bnlint.config.option import Complaint
from bnlint.domain.errors import ConfigError, Mistake
from bnlint.domain.graph import Location
from bnlint.domain.phrases import below

_AT = re.compile(r"\(at line (\d+), column (\d+)\)")
_WILD = re.compile(r"[*?\[]")

# Compiled at the first use, which needs a config file.
_KEY_PART = r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*"""
_STRINGS = (
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'" r"|#[^\n]*"
)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config file: its path, its text, and the keys that lead to bnlint's table."""

    path: Path
    text: str
    prefix: tuple[str, ...]
    table: dict[str, Any]


def nearest(paths: tuple[str, ...], stdin_filename: str, cwd: Path) -> ConfigFile | None:
    """The nearest config file from the folder of the first path upwards.

    In each folder ``bnlint.toml`` comes before ``pyproject.toml``, which only counts when it has a
    ``[tool.bnlint]`` table.
    """
    start = _start_folder(paths, stdin_filename, cwd)
    candidates = (
        folder / name
        for folder in (start, *start.parents)
        for name in ("bnlint.toml", "pyproject.toml")
    )
    found = (read_config(path) for path in candidates if path.is_file())
    return next(filter(None, found), None)


def _start_folder(paths: tuple[str, ...], stdin_filename: str, cwd: Path) -> Path:
    first = next(iter(paths), "")
    text = stdin_filename if first == "-" else first.partition("::")[0]
    if wild := _WILD.search(text):
        text = text[: wild.start()].rpartition("/")[0]
    path = cwd / text
    if os.path.isdir(path):
        return path.resolve()
    return path.parent.resolve() if os.path.isdir(path.parent) else cwd


def read_config(path: Path, *, named: bool = False) -> ConfigFile | None:
    """The config in a file; None for a pyproject.toml without a table of bnlint's.

    A file that was ``named`` on the command line must have such a table. ConfigError if it has not,
    cannot be read, or is not valid TOML.
    """
    text = _text(path)
    own = path.name != "pyproject.toml"
    if not own and "bnlint" not in text and not named:
        return None
    # Imported late: a run without a config file does not need it.
    import tomllib

    try:
        data = tomllib.loads(text)
    except ValueError as error:  # also a number of too many digits
        raise ConfigError(_syntax(path, text, str(error))) from None
    except RecursionError:
        raise ConfigError(f"{_shown(path)} is nested too deeply to be read") from None
    table = data if own else data.get("tool", {}).get("bnlint")
    if table is None and named:
        raise ConfigError(
            Mistake(f"{_shown(path)} has no [tool.bnlint] table", hint="add one, or name another")
        )
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{_shown(path)}: tool.bnlint is not a table")
    prefix = () if own else ("tool", "bnlint")
    return None if table is None else ConfigFile(path, text, prefix, table)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(Mistake(f"{_shown(path)} is not UTF-8", hint="TOML files are")) from None
    except OSError as error:
        raise ConfigError(f"{_shown(path)} cannot be read: {error.strerror or error}") from None


def _syntax(path: Path, text: str, error: str) -> Mistake:
    found = _AT.search(error)
    lines = text.splitlines() or [""]
    line, column = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
    message = "not valid TOML: " + _AT.sub("", error).strip()
    return Mistake(message, Location(_shown(path), line, column), _excerpt(text, line))


def mistake_in(file: ConfigFile, complaint: Complaint) -> Mistake:
    """The complaint with its place in the file."""
    line, column = locate(file.text, complaint.path, complaint.value)
    place = Location(_shown(file.path), line, column)
    return Mistake(complaint.message, place, _excerpt(file.text, line), complaint.hint)


def _shown(path: Path) -> str:
    """The path as messages show it: relative to the working directory if it is inside."""
    real = path.resolve()
    return below(real if real.is_relative_to(Path.cwd()) else path, Path.cwd())


class _Entry(NamedTuple):
    """A key of the text: its full path, its offset, and where its value ends."""

    path: tuple[str, ...]
    start: int
    end: int


def locate(text: str, path: Sequence[str], value: str | None = None) -> tuple[int, int]:
    """Line and column (1-based) of the deepest part of ``path`` found, or of ``value`` within it.

    ``(1, 1)`` when nothing of the path is in the text. ``tomllib`` keeps no positions.
    """
    best = _Entry((), 0, 0)
    for entry in _entries(text):
        leads = tuple(path[: len(entry.path)]) == entry.path
        if leads and (len(entry.path) > len(best.path) or entry.path == tuple(path)):
            best = entry
    offset = best.start
    if best.path:
        for part in (*path[len(best.path) :], *((value,) if value is not None else ())):
            offset = _inside(text, part, offset, best.end)
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _excerpt(text: str, line: int) -> str:
    lines = text.splitlines()
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _inside(text: str, part: str, start: int, end: int) -> int:
    """The offset of ``part`` as a key or a string after ``start``, or ``start``."""
    pattern = rf"""(?<![\w.-])["']?{re.escape(part)}["']?(?![\w-])"""
    found = re.compile(pattern).search(text, start, end)
    return found.start() if found else start


def _entries(text: str) -> Iterator[_Entry]:
    """Every table header and key of the text, in order; values are skipped whole."""
    next_table = re.compile(r"^\s*\[", re.MULTILINE)
    table: tuple[str, ...] = ()
    offset = 0
    while offset < len(text):
        stop = len(text) if (end := text.find("\n", offset)) < 0 else end
        stripped = text[offset:stop].lstrip()
        start = stop - len(stripped)
        if stripped.startswith("["):
            table = _keys(stripped.lstrip("["))[0]
            following = next_table.search(text, stop)
            yield _Entry(table, start, following.start() if following else len(text))
        elif stripped and not stripped.startswith("#"):
            keys, length = _keys(stripped)
            stop = _value_end(text, start + length)
            yield _Entry((*table, *keys), start, stop)
        offset = stop + 1


def _keys(text: str) -> tuple[tuple[str, ...], int]:
    """The dotted key at the start of ``text``, and how long it is."""
    parts: list[str] = []
    offset = 0
    while found := re.compile(_KEY_PART).match(text, offset):
        part = found[1]
        parts.append(part[1:-1] if part[0] in "\"'" else part)
        offset = found.end()
        if text[offset : offset + 1] != ".":
            break
        offset += 1
    return tuple(parts), offset


def _value_end(text: str, offset: int) -> int:
    """The end of the line on which the value that starts after ``offset`` is complete."""
    depth, strings = 0, re.compile(_STRINGS, re.DOTALL)
    while offset < len(text):
        skipped = strings.match(text, offset)
        if skipped:
            offset = skipped.end()
            continue
        char = text[offset]
        if char == "\n" and depth <= 0:
            return offset
        depth += (char in "[{") - (char in "]}")
        offset += 1
    return len(text)
