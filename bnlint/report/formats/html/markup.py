"""Pieces of HTML in which everything that comes from users' files stays text."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import PurePath
from urllib.parse import quote

from bnlint.domain.finding import Cell, Marked, PageTable, Picture, Section, Severity
from bnlint.domain.graph import Location, Shape
from bnlint.report import RenderOptions
from bnlint.report.lines import place, plain

MARKS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.INFO: "●"}
"""The sign of a severity: its shape identifies it to readers who do not see the colour."""


def lines(value: str) -> str:
    """The value with control characters written out; line ends stay."""
    return "\n".join(map(plain, value.split("\n")))


def text(value: str) -> str:
    """The value as text, also within quotes."""
    return escape(lines(value))


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
        url = self.editor(at.path)
        shown = place(at, self.options)
        if not url:
            return code(shown)
        where = "" if at.cell else f":{at.line}:{at.column}"  # no editor opens a cell's line
        return f'<a class="place" href="{text(url + where)}">{text(shown)}</a>'

    def editor(self, path: str) -> str:
        """The address of a file for VS Code; empty for what is not a file on disk."""
        absolute = PurePath(self.options.root, path)
        if not absolute.is_absolute() or path == "-" or path.startswith("<"):
            return ""
        posix = absolute.as_posix().lstrip("/")
        return f"vscode://file/{quote(posix, safe='/:', errors='replace')}"


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
    return f"<td{share}><meter value={value:.4f}></meter> <span>{value:.0%}</span></td>"


def _classes(*names: str) -> str:
    """The attribute for these classes; faults have one of their own for all styles."""
    given = [name for name in names if name]
    if any(name in ("error", "warning") for name in given):
        given.append("fault")
    return f' class="{" ".join(given)}"' if given else ""
