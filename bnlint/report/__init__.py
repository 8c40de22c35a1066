"""Reports as text: the options that every output has, and (in ``formats``) one file a format.

Nothing here prints: whoever renders a report gets a string. Only ``domain`` is imported, so that
``config`` can ask which formats there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bnlint.domain.finding import Section, Severity
from bnlint.domain.phrases import below


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
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How to render a report: rules by id, what paths are relative to, and how much to say.

    Paths are shown relative to ``root``. If ``base`` is set, relative paths of the report start
    there. ``excerpts`` shows the source line of each finding, cut to ``width`` columns unless that
    is 0; ``lines`` reads a file for it, and can be replaced for text that is not on disk (standard
    input, an editor's buffer). ``sections`` are chapters for formats that have room for them.
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
    sections: tuple[Section, ...] = ()

    def relative(self, path: str) -> str:
        """The path relative to the root with forward slashes; unchanged outside of it."""
        found = Path(self.base, path)
        inside = self.root and found.is_absolute() and found.is_relative_to(self.root)
        return below(found, self.root) if inside else Path(path).as_posix()
