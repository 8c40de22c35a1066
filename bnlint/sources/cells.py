"""Jupyter notebooks as plain Python source, and which line of it is in which cell.

Markdown is left out, and so is what only IPython understands: magics, shell commands, questions.
Each line of a code cell stays one line, so that places can be translated back.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

SUFFIX = ".ipynb"

_PYTHON_MAGICS = frozenset({"capture", "debug", "prun", "time", "timeit"})
"""Magics of a whole cell whose body is run as Python."""

_MAGIC = re.compile(r"\s*(?:[%!?]|[\w.\[\]'\"]+\?{1,2}\s*$)")
_CAPTURED = re.compile(r"(\s*[\w., ]+=\s*)[!%]")
_COMMAND = re.compile(
    r"\s*(?:pip3?|conda|mamba|apt|apt-get|git|wget|curl|ls|cd|mkdir|rm|cp|mv|unzip|tar)\s[^=(]*$"
)
"""A line that is Python only by its looks: IPython runs ``pip install x`` without a sign, too."""


class Notebook(NamedTuple):
    """The code of a notebook; ``starts`` are the first line of each code cell and its number.

    Cells are numbered from 1, those with text included. ``language`` is that of the kernel.
    """

    text: str
    starts: tuple[tuple[int, int], ...]
    language: str = "python"


class Cells(NamedTuple):
    """Where the lines of a plain text are in its notebook."""

    starts: tuple[tuple[int, int], ...]

    def place(self, line: int) -> tuple[int, int]:
        """The number of the cell that holds a line, and the line's number in it."""
        within = [start for start in self.starts if start[0] <= line]
        first, number = within[-1] if within else (1, 1)
        return number, line - first + 1


def read_notebook(data: bytes) -> Notebook:
    """The code of a notebook of format 3 or 4; raises ValueError for what is none."""
    document, cells = _parsed(data)
    lines: list[str] = []
    starts: list[tuple[int, int]] = []
    for number, cell in enumerate(cells, 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            starts.append((len(lines) + 1, number))
            lines += _python(_source(cell))
    text = "".join(f"{line}\n" for line in lines)
    return Notebook(text, tuple(starts), _language(document))


def cell_lines(path: str, number: int) -> list[str]:
    """The lines of a cell as they are in the notebook; none when they cannot be read."""
    try:
        cells = _parsed(Path(path).read_bytes())[1]
        return _source(cells[number - 1]).splitlines()
    except (OSError, ValueError, IndexError):
        return []


def _parsed(data: bytes) -> tuple[dict[str, Any], list[Any]]:
    """The document and its cells."""
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # also what is not UTF-8
        raise ValueError(f"it is not valid JSON ({error})") from None
    sheets = document.get("worksheets") if isinstance(document, dict) else None
    home = sheets[0] if isinstance(sheets, list) and sheets else document
    cells = home.get("cells") if isinstance(home, dict) else None
    if not isinstance(cells, list):
        raise ValueError("it has no cells")
    return document, cells


def _source(cell: Any) -> str:
    source = cell.get("source", cell.get("input", "")) if isinstance(cell, dict) else ""
    parts = source if isinstance(source, list) else [source]
    return "".join(map(str, parts))


def _language(document: dict[str, Any]) -> str:
    about = document.get("metadata")
    about = about if isinstance(about, dict) else {}
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        described = about.get(key)
        if isinstance(described, dict) and described.get(name):
            return str(described[name]).lower()
    return "python"


def _python(source: str) -> list[str]:
    """The lines of a cell as Python; a cell that is none becomes an error at its line."""
    lines = source.splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith("%%"):
        if first[2:].split(" ")[0] not in _PYTHON_MAGICS:
            return [""] * len(lines)
        lines[next(n for n, line in enumerate(lines) if line.strip())] = ""
    if _error(lines) is None:
        return lines
    plain = list(_without_magics(lines))
    if (error := _error(plain)) is None:
        return plain
    blank = [""] * len(lines)
    at = min(max(error.lineno or 1, 1), len(lines))
    blank[at - 1] = f"raise SyntaxError({error.msg!r})"
    return blank


def _error(lines: list[str]) -> SyntaxError | None:
    try:
        ast.parse("\n".join(lines))
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError) as error:
        return SyntaxError(str(error))
    return None


def _without_magics(lines: list[str]) -> Iterator[str]:
    """The lines with a statement that does nothing instead of each magic or command."""
    continued = False
    for line in lines:
        captured = _CAPTURED.match(line)
        if continued:
            yield ""
        elif captured:
            yield f"{captured[1]}[]"
        elif _MAGIC.match(line) or _COMMAND.match(line):
            yield f"{line[: len(line) - len(line.lstrip())]}pass"
        else:
            yield line
            continue
        continued = line.rstrip().endswith("\\")
