from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnlint.edits.syntax import SourceText, Splice, are_apart, decode, overlap, unspliced


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_places_and_lines_whatever_the_line_ends_are(newline: str) -> None:
    text = SourceText("a.py", newline.join(["a = 1", "", "b = 'ä'  # ü", "c"]))
    assert text.newline == newline
    assert text.plain == "a = 1\n\nb = 'ä'  # ü\nc"
    assert text.line(3) == f"b = 'ä'  # ü{newline}"
    assert text.place(text.offset(3, 4)) == (3, 5)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("x = 'é'\n".encode(), "utf-8"),
        (b"\xef\xbb\xbf" + "x = 'é'\n".encode(), "utf-8-sig"),
        ("# coding: latin-1\nx = 'é'\r\n".encode("latin-1"), "iso-8859-1"),
    ],
)
def test_bytes_come_back_as_they_were(data: bytes, encoding: str) -> None:
    text = decode("a.py", data)
    assert text.encoding == encoding
    assert "é" in text.text
    assert text.encoded() == data


def test_a_splice_in_lines_and_columns() -> None:
    edit = SourceText("a.py", "ab\ncd\n").edit(Splice(4, 5, "x"))
    at = edit.location
    assert (at.line, at.column, at.end_line, at.end_column) == (2, 2, 2, 3)


def test_overlaps() -> None:
    assert overlap([Splice(0, 3, "")], [Splice(2, 4, "")])
    assert overlap([Splice(2, 2, "a")], [Splice(2, 2, "b")])
    assert not overlap([Splice(0, 2, "a")], [Splice(3, 4, "b")])
    assert are_apart([Splice(3, 3, "x"), Splice(0, 3, ""), Splice(3, 4, "")])
    assert not are_apart([Splice(0, 3, ""), Splice(2, 4, "")])
    with pytest.raises(AssertionError):
        SourceText("a.py", "abcdef").spliced([Splice(0, 3, ""), Splice(2, 4, "")])


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 4), st.text("xy", max_size=5))),
    st.integers(0, 60),
)
def test_a_later_splice_in_terms_of_the_text_before(
    raw: list[tuple[int, int, str]], where: int
) -> None:
    text = SourceText("a.py", "abcdefghij" * 6)
    earlier: list[Splice] = []
    for start, length, new in sorted(raw):
        if not earlier or start > earlier[-1].end:
            earlier.append(Splice(start, start + length, new))
    between = text.spliced(earlier)
    later = Splice(min(where, len(between.text)), min(where + 1, len(between.text)), "Z")
    back = unspliced(later, earlier)
    if back is not None:
        assert text.spliced([*earlier, back]) == between.spliced([later])
