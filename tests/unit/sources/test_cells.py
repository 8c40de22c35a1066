"""Notebooks as plain source, with a map from its lines to their cells."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from bnlint.sources.cells import Cells, cell_lines, read_notebook


def _code(source: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "outputs": [], "source": source}


def _data(*cells: Any, **more: Any) -> bytes:
    return json.dumps({"cells": list(cells), "nbformat": 4, **more}).encode()


def test_code_cells_in_their_order_and_where_they_are() -> None:
    text = {"cell_type": "markdown", "source": ["torch"]}
    found = read_notebook(_data(text, _code(["a = 1\n", "b = 2"]), _code(""), _code("c = 3\n")))
    assert found.text == "a = 1\nb = 2\nc = 3\n"
    cells = Cells(found.starts)
    assert [cells.place(line) for line in (1, 2, 3)] == [(2, 1), (2, 2), (4, 1)]


def test_the_older_format() -> None:
    cell = {"cell_type": "code", "input": ["a = 1\n", "b = 2"], "language": "python"}
    data = json.dumps({"nbformat": 3, "worksheets": [{"cells": [cell]}]}).encode()
    assert read_notebook(data).text == "a = 1\nb = 2\n"


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("%matplotlib inline\nimport os", "pass\nimport os\n"),
        ("if here:\n    !pip install x \\\n      y\nz = 1", "if here:\n    pass\n\nz = 1\n"),
        ("files = !ls\nnet?", "files = []\npass\n"),
        ("pip install x\nimport x", "pass\nimport x\n"),
        ("%%time\nnet = Net()", "\nnet = Net()\n"),
        ("%%bash\nls -l", "\n\n"),
        ("text = '''\n%s\n!x\n'''", "text = '''\n%s\n!x\n'''\n"),
        ("x = (7\n  % 3)", "x = (7\n  % 3)\n"),
    ],
)
def test_what_only_ipython_understands_is_left_out(source: str, plain: str) -> None:
    text = read_notebook(_data(_code(source))).text
    assert text == plain
    ast.parse(text)


def test_a_cell_that_is_no_python_fails_at_its_line_and_no_other_does() -> None:
    text = read_notebook(_data(_code("a = 1\nprint 'old'\nb = 2"), _code("c = 3"))).text
    first, wrong, last, other = text.splitlines()
    assert (first, last, other) == ("", "", "c = 3")
    with pytest.raises(SyntaxError, match="print"):
        exec(wrong)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"cells": 3}', b"\xff\xfe"])
def test_what_is_no_notebook(data: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        read_notebook(data)


def test_the_lines_of_a_cell_as_they_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.ipynb"
    path.write_bytes(_data(_code("%magic\nx = 1"), _code(["y = 2\n", "z = 3"])))
    assert cell_lines(str(path), 1) == ["%magic", "x = 1"]
    assert cell_lines(str(path), 2) == ["y = 2", "z = 3"]
    assert cell_lines(str(path), 3) == []
    assert cell_lines(str(tmp_path / "gone.ipynb"), 1) == []
