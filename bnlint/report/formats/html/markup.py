"""Pieces of HTML in which everything that comes from users' files stays text."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from bnlint.domain.finding import Cell, Marked, PageTable, Picture, Section, Severity
from bnlint.domain.graph import Location, Shape
from bnlint.domain.phrases import percent
from bnlint.report import RenderOptions
from bnlint.report.editor_links import place_link
from bnlint.report.lines import place, plain

MARKS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.INFO: "●"}
"""The sign of a severity: its shape identifies it to readers who do not see the colour."""

_QUOTED = re.compile(r"`[^`\n]+`")
_ADDRESS = re.compile(r"https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]]")
_SPECIAL = re.compile(f"({_QUOTED.pattern}|{_ADDRESS.pattern})")


def lines(value: str) -> str:
    """The value with control characters written out; line ends stay."""
    return "\n".join(map(plain, value.split("\n")))


def text(value: str) -> str:
    """The value as text, also within quotes."""
    return escape(lines(value))


def prose(value: str) -> str:
    """The value as text, with what it has in backticks as code and its addresses as links."""
    parts = _SPECIAL.split(lines(value))
    return "".join(map(_special, parts))


def _special(part: str) -> str:
    if _QUOTED.fullmatch(part):
        return f"<code>{escape(part[1:-1])}</code>"
    if _ADDRESS.fullmatch(part):
        return f'<a href="{escape(part)}" rel=noreferrer>{escape(part)}</a>'
    return escape(part)


def code(value: str) -> str:
    """The value as code, nothing for an empty one."""
    return f"<code>{text(value)}</code>" if value else ""


def items(lines: Iterable[str], kind: str) -> str:
    """Pieces of HTML as a list; nothing when there are none."""
    rows = "".join(f"<li>{line}</li>" for line in lines)
    return f'<ul class="{kind}">{rows}</ul>' if rows else ""


def shape(sizes: Shape) -> str:
    """``1×3×32×32``."""
    return "×".join(map(str, sizes)) or "scalar"


@dataclass(frozen=True, slots=True)
class SourceLinks:
    """Places in source files as text, and as links that open them in an editor."""

    options: RenderOptions

    def link(self, at: Location | None) -> str:
        """The place, as a link where an editor can open it."""
        if at is None or not at.path:
            return ""
        url, shown = place_link(at, self.options), place(at, self.options)
        if not url:
            return code(shown)
        return f'<a class="place" href="{text(url)}">{text(shown)}</a>'


def chapters(sections: Sequence[Section]) -> str:
    """The chapters that come with a report: text, pictures and tables."""
    return "".join(map(_chapter, sections))


def _chapter(section: Section) -> str:
    lines = "".join(f"<p>{text(line)}</p>" for line in section.lines)
    pictures = "".join(map(_picture, section.pictures))
    tables = "".join(map(_table, section.tables))
    return f"<h3>{text(section.title)}</h3>{lines}{pictures}{tables}"


def _picture(picture: Picture) -> str:
    """The picture as an image: its ids and its text are kept apart from the rest of the page."""
    data = b64encode(picture.svg.encode("utf-8", "replace")).decode("ascii")
    name = text(picture.title)
    source = f"data:image/svg+xml;base64,{data}"
    return f'<figure><img alt="{name}" src="{source}"><figcaption>{name}</figcaption></figure>'


def _table(table: PageTable) -> str:
    heads = "".join(f"<th>{text(name)}</th>" for name in table.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return (
        f"<h4>{text(table.title)}</h4><div class=wide><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    value, style = (cell.value, cell.style) if isinstance(cell, Marked) else (cell, "")
    if value is None:
        return "<td></td>"
    if isinstance(value, str):
        return f"<td{_classes(style)}>{text(value)}</td>"
    share = _classes("share", style)
    return f"<td{share}><meter value={value:.4f}></meter> <span>{percent(value)}</span></td>"


def _classes(*names: str) -> str:
    """The attribute for these classes; faults have one of their own for all styles."""
    given = [name for name in names if name]
    if any(name in ("error", "warning") for name in given):
        given.append("fault")
    return f' class="{" ".join(given)}"' if given else ""
