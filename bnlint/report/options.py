"""What a formatter needs besides the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bnlint.domain.finding import Severity
from bnlint.domain.page import Section


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What machines and editors show about a rule; taken from its file."""

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
    """The lines of a source file, none when it cannot be read."""
    import tokenize

    try:
        with tokenize.open(path) as file:
            return file.read().splitlines()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return []


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How to render: rules by id, the folder paths are relative to, and how much to say.

    ``root`` is that folder. Where ``base`` is given, relative paths of the report are from there.

    ``excerpts`` shows the source line of each finding, cut to ``width`` columns where that is not
    0; ``lines`` reads a file for that, and can be replaced for text that is on no disk (standard
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
        """The path relative to the root with forward slashes, or as it is when it lies outside."""
        found = Path(self.base, path)
        if not self.root or not found.is_absolute():
            return Path(path).as_posix()
        try:
            return found.relative_to(self.root).as_posix()
        except ValueError:
            return Path(path).as_posix()
