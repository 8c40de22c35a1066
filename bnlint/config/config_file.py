"""Which config file applies, and its table as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnlint.domain.errors import ConfigError, Mistake
from bnlint.domain.graph import Location
from bnlint.domain.phrases import below

_AT = re.compile(r"\(at line (\d+), column (\d+)\)")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config file: its path, its text, and the keys that lead to bnlint's table."""

    path: Path
    text: str
    prefix: tuple[str, ...]
    table: dict[str, Any]


def nearest(start: Path) -> ConfigFile | None:
    """The nearest config file from ``start`` upwards.

    In each folder ``bnlint.toml`` comes before ``pyproject.toml``, which only counts when it has a
    ``[tool.bnlint]`` table.
    """
    for folder in (start, *start.parents):
        for name in ("bnlint.toml", "pyproject.toml"):
            path = folder / name
            found = read_config(path) if path.is_file() else None
            if found:
                return found
    return None


def start_folder(paths: tuple[str, ...], stdin_filename: str, cwd: Path) -> Path:
    """The folder where the search for a config file starts: that of the first path."""
    first = next(iter(paths), "")
    text = stdin_filename if first == "-" else first.partition("::")[0]
    if wild := _WILD.search(text):
        text = text[: wild.start()].rpartition("/")[0]
    path = cwd / text
    if path.is_dir():
        return path.resolve()
    return path.parent.resolve() if path.parent.is_dir() else cwd


def read_config(path: Path, *, named: bool = False) -> ConfigFile | None:
    """The config in a file; None for a pyproject.toml without a table of bnlint's.

    A file that was ``named`` on the command line must have such a table.

    Raises
    ------
    ConfigError
        When the file cannot be read, is not valid TOML, or is named and has no table.

    """
    text = _text(path)
    own = path.name != "pyproject.toml"
    if not own and "bnlint" not in text and not named:
        return None
    # Imported late: a run without a config file does not need it.
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(path, text, str(error))) from None
    table = data if own else data.get("tool", {}).get("bnlint")
    if table is None and named:
        raise ConfigError(
            Mistake(f"{shown(path)} has no [tool.bnlint] table", hint="add one, or name another")
        )
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{shown(path)}: tool.bnlint is not a table")
    prefix = () if own else ("tool", "bnlint")
    return None if table is None else ConfigFile(path, text, prefix, table)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(Mistake(f"{shown(path)} is not UTF-8", hint="TOML files are")) from None
    except OSError as error:
        raise ConfigError(f"{shown(path)} cannot be read: {error.strerror or error}") from None


def _syntax(path: Path, text: str, error: str) -> Mistake:
    from bnlint.config.locate import excerpt

    found = _AT.search(error)
    lines = text.splitlines() or [""]
    line, column = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
    message = "not valid TOML: " + _AT.sub("", error).strip()
    return Mistake(message, Location(shown(path), line, column), excerpt(text, line))


def shown(path: Path) -> str:
    """The path as messages show it: relative to the working directory if it is inside."""
    real = path.resolve()
    return below(real if real.is_relative_to(Path.cwd()) else path, Path.cwd())
