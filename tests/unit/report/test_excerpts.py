"""Excerpts mark whole expressions: carets under one line, a bracket beside several."""

from __future__ import annotations

from bnlint.domain.graph import Location
from bnlint.report import RenderOptions
from bnlint.report.excerpts import excerpt

SOURCE = [
    "class Net:",
    "    conv = nn.Conv2d(",
    "        3, 8, 3",
    "    )",
    "\tbig = nn.Sequential(",
    *(f"        nn.ReLU(),  # {n}" for n in range(6, 13)),
    "\t)",
]


def _drawn(at: Location, width: int = 0) -> list[str]:
    options = RenderOptions(lines=lambda _: SOURCE, width=width)
    return list(excerpt(at, "warning", options))


def test_an_expression_on_one_line_is_underlined() -> None:
    assert _drawn(Location("net.py", 2, 12, 2, 21)) == [
        "    2 |     conv = nn.Conv2d(",
        "      |            ^^^^^^^^^",
    ]


def test_an_expression_over_several_lines_has_a_bracket() -> None:
    assert _drawn(Location("net.py", 2, 12, 4, 6)) == [
        "    2 |       conv = nn.Conv2d(",
        "      |  ____________^",
        "    3 | |         3, 8, 3",
        "    4 | |     )",
        "      | |_____^",
    ]


def test_a_long_expression_shows_its_first_and_last_lines() -> None:
    drawn = _drawn(Location("net.py", 5, 8, 13, 3))
    assert drawn == [
        "    5 |   \tbig = nn.Sequential(",
        "      |  _\t______^",
        "    6 | |         nn.ReLU(),  # 6",
        "    7 | |         nn.ReLU(),  # 7",
        "  ...   |",
        "   12 | |         nn.ReLU(),  # 12",
        "   13 | | \t)",
        "      | |_\t^",
    ]


def test_no_line_is_wider_than_the_terminal() -> None:
    SOURCE.append("    x = f(" + "a" * 90 + ",")
    SOURCE.append(" " * 60 + "b" * 60 + ")")
    try:
        drawn = _drawn(Location("net.py", len(SOURCE) - 1, 9, len(SOURCE), 122), width=60)
    finally:
        del SOURCE[-2:]
    assert len(drawn) == 4
    assert max(map(len, drawn)) <= 60


def test_a_place_that_the_file_has_no_longer_is_not_shown() -> None:
    assert _drawn(Location("net.py", 99, 1, 99, 4)) == []
    assert len(_drawn(Location("net.py", 13, 2, 99, 4))) == 2
