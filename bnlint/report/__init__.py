"""Reports as text: what every output is rendered with, and the formats (one file each).

A format declares a ``FORMAT``, which is all that the command line, the config reader and the Python
API know about it. Nothing here prints, and only ``domain`` is imported, so that ``config`` can ask
which formats there are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from bnlint.domain.finding import Report, Section, Severity
from bnlint.domain.graph import Location
from bnlint.domain.phrases import below

_SHOWN_FIRST = ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "html")
"""The order in which help lists formats; one that is not named here follows."""

_STANDARD = re.compile(r"python3\.\d+")
"""The folder of the standard library."""


class RuleInfo(NamedTuple):
    """What machines and editors show about a rule, read from its file."""

    id: str
    name: str
    severity: Severity
    summary: str
    why: str = ""
    evidence: str = ""
    instead: str = ""
    references: tuple[str, ...] = ()
    enabled: bool = True


def read_lines(path: str) -> list[str]:
    """The lines of a source file; none when it cannot be read."""
    import tokenize

    try:
        with tokenize.open(path) as file:
            return file.read().splitlines()
    except (OSError, SyntaxError, UnicodeError, LookupError):
        return []


def no_lines(path: str, number: int) -> list[str]:
    """No lines: who has notebooks can read their cells."""
    return []


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How to render a report: rules by id, what paths are relative to, and how much to say.

    Paths are shown relative to ``root``. If ``base`` is set, relative paths of the report start
    there. ``excerpts`` shows the source line of each finding, cut to ``width`` columns unless that
    is 0; ``lines`` reads a file for it, and can be replaced for text that is not on disk (standard
    input, an editor's buffer), ``cell`` a cell of a notebook by path and number. ``sections`` are
    chapters for formats that have room for them. ``docs_url`` is the base of the pages of rules;
    ``links`` says that a terminal shows links. ``editor`` names the one that links to source files
    open, or has a template for it. ``portable`` shows files outside of ``root`` without the folders
    of this machine: a page is sent to others.
    """

    rules: Mapping[str, RuleInfo] = field(default_factory=dict)
    root: str = ""
    base: str = ""
    version: str = ""
    fail_on: Severity = Severity.WARNING
    colour: bool = False
    excerpts: bool = False
    width: int = 0
    verbose: bool = False
    quiet: bool = False
    lines: Callable[[str], list[str]] = read_lines
    cell: Callable[[str, int], list[str]] = no_lines
    sections: tuple[Section, ...] = ()
    docs_url: str = ""
    links: bool = False
    editor: str = "vscode"
    portable: bool = False

    def lines_at(self, at: Location) -> list[str]:
        """The lines of the file or cell that holds a place."""
        return self.cell(at.path, at.cell) if at.cell else self.lines(at.path)

    def relative(self, path: str) -> str:
        """The path relative to the root with forward slashes; unchanged outside of it."""
        if inside := self.inside(path):
            return inside
        return _abroad(Path(self.base, path), self.root) if self.portable else Path(path).as_posix()

    def inside(self, path: str) -> str:
        """The absolute path relative to the root that holds it; else empty."""
        found = Path(self.base, path)
        inside = self.root and found.is_absolute() and found.is_relative_to(self.root)
        return below(found, self.root) if inside else ""


def _abroad(path: Path, root: str) -> str:
    """A file outside of the project: within its library, else by the way that leads to it."""
    for number, part in reversed(list(enumerate(path.parts[:-1]))):
        if part in ("site-packages", "dist-packages") or _STANDARD.fullmatch(part):
            return Path(*path.parts[number + 1 :]).as_posix()
    if not (root and path.is_absolute() and path.drive == Path(root).drive):
        return path.as_posix()
    return Path(os.path.relpath(path, root)).as_posix()


@dataclass(frozen=True, slots=True)
class Format:
    """What a format is: its function, and what others must know to use it.

    ``complete`` formats report problems themselves, so that nothing is left to say beside them.
    Those that need ``rules`` show texts of rules, and those that draw ``graphs`` need the graphs
    and the chapters of a page. ``checkout`` names the environment variable of a service that holds
    the folder of the repository, from which that service reads paths.
    """

    render: Callable[[Report, RenderOptions], str]
    complete: bool = False
    rules: bool = False
    graphs: bool = False
    checkout: str = ""


@cache
def format_names() -> tuple[str, ...]:
    """The names of all formats, in the order in which help lists them.

    They are the names of the files, so that listing them imports no format.
    """
    folder = Path(__file__).parent / "formats"
    names = {p.stem for p in folder.iterdir() if p.name[0] not in "._"}
    first = [name for name in _SHOWN_FIRST if name in names]
    return (*first, *sorted(names.difference(first)))


def format_named(name: str) -> Format:
    """The format of that name, imported at the first request: a run uses one or two.

    Raises
    ------
    UsageError
        When there is no such format.

    """
    if name not in format_names():
        from bnlint.domain.errors import Mistake, UsageError

        known = f"known: {', '.join(format_names())}"
        raise UsageError(Mistake(f"no format is called '{name}'", hint=known))
    found: Format = import_module(f"{__name__}.formats.{name}").FORMAT
    return found


def render(name: str, report: Report, options: RenderOptions | None = None) -> str:
    """The report in the format ``name``, ending with a newline.

    Raises
    ------
    UsageError
        When there is no such format.

    """
    return format_named(name).render(report, options or RenderOptions())
