"""What a page shows beside the findings, as plain data: text, tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass

Cell = str | float | None
"""Text, a share from 0 to 1 that is drawn as a bar, or nothing."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under the names of their columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the text of an SVG element."""

    title: str
    svg: str


@dataclass(frozen=True, slots=True)
class Section:
    """One chapter of a page."""

    title: str
    lines: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
