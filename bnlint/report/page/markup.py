"""Pieces of HTML in which nothing that comes from users' files can be more than text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import PurePath
from urllib.parse import quote

from bnlint.domain.finding import Severity
from bnlint.domain.graph import Location
from bnlint.report.options import RenderOptions
from bnlint.report.style import plain

MARKS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.INFO: "●"}
"""The sign of a severity: its shape tells it to whom its colour does not."""


def lines(value: str) -> str:
    """The value with control characters written out; line ends stay."""
    return "\n".join(map(plain, value.split("\n")))


def text(value: str) -> str:
    """The value as text, also within quotes."""
    return escape(lines(value))


def code(value: str) -> str:
    """The value as code, nothing for an empty one."""
    return f"<code>{text(value)}</code>" if value else ""


def badge(severity: Severity) -> str:
    """A severity by sign, colour and word."""
    return f'<span class="badge {severity.value}">{MARKS[severity]} {severity.value}</span>'


def items(lines: Iterable[str], kind: str) -> str:
    """Pieces of HTML as a list; nothing when there are none."""
    rows = "".join(f"<li>{line}</li>" for line in lines)
    return f'<ul class="{kind}">{rows}</ul>' if rows else ""


@dataclass(frozen=True, slots=True)
class Places:
    """How places in source files are shown, and which link opens them in an editor."""

    options: RenderOptions

    def shown(self, at: Location) -> str:
        """``net.py:12:5``; nothing without a path."""
        return f"{self.options.relative(at.path)}:{at.line}:{at.column}" if at.path else ""

    def link(self, at: Location | None) -> str:
        """The place, as a link where an editor can open it."""
        if at is None or not at.path:
            return ""
        url = self.editor(at.path)
        if not url:
            return code(self.shown(at))
        return (
            f'<a class="place" href="{text(f"{url}:{at.line}:{at.column}")}">{self._name(at)}</a>'
        )

    def editor(self, path: str) -> str:
        """The address of a file for VS Code; nothing for what is no file on disk."""
        absolute = PurePath(self.options.root, path)
        if not absolute.is_absolute() or path == "-" or path.startswith("<"):
            return ""
        posix = absolute.as_posix().lstrip("/")
        return f"vscode://file/{quote(posix, safe='/:', errors='replace')}"

    def _name(self, at: Location) -> str:
        return text(self.shown(at))
