"""Chapters of a page that come with the report: text, pictures and tables."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from bnlint.domain.page import Cell, Picture, Section, Table
from bnlint.report.page.markup import text


def chapters(sections: Sequence[Section]) -> str:
    """All chapters, one after the other."""
    return "".join(map(_chapter, sections))


def _chapter(section: Section) -> str:
    lines = "".join(f"<p>{text(line)}</p>" for line in section.lines)
    pictures = "".join(map(_picture, section.pictures))
    tables = "".join(map(_table, section.tables))
    return f"<h3>{text(section.title)}</h3>{lines}{pictures}{tables}"


def _picture(picture: Picture) -> str:
    """An image of its own: its ids cannot meet those of other pictures, nor its text the page."""
    data = b64encode(picture.svg.encode("utf-8", "replace")).decode("ascii")
    name = text(picture.title)
    source = f"data:image/svg+xml;base64,{data}"
    return f'<figure><img alt="{name}" src="{source}"><figcaption>{name}</figcaption></figure>'


def _table(table: Table) -> str:
    heads = "".join(f"<th>{text(name)}</th>" for name in table.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    return (
        f"<h4>{text(table.title)}</h4><div class=wide><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    if cell is None:
        return "<td></td>"
    if isinstance(cell, str):
        return f"<td>{text(cell)}</td>"
    return f"<td class=share><meter value={cell:.4f}></meter> {cell:.0%}</td>"
