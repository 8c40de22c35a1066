"""Columns count characters, where Python counts bytes of UTF-8."""

from __future__ import annotations

from pathlib import Path

import pytest

import bnlint
from bnlint.tracing.file import trace_source

CODE = """\
from torch import nn

größe = 8; net = nn.Sequential(nn.Conv2d(3, größe, 3), nn.BatchNorm2d(größe))
"""


def test_columns_count_characters() -> None:
    (graph,) = trace_source(CODE)
    line = CODE.splitlines()[2]
    conv, norm = (op.construction for op in graph.ops[1:3])
    assert conv is not None
    assert norm is not None
    assert line[conv.column - 1 : conv.end_column - 1] == "nn.Conv2d(3, größe, 3)"
    assert line[norm.column - 1 : norm.end_column - 1] == "nn.BatchNorm2d(größe)"


def test_columns_of_a_file_in_another_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_bytes(("# coding: latin-1\n" + CODE).encode("latin-1"))
    (finding,) = bnlint.check("net.py", select=["BN301"]).findings
    assert (finding.location.line, finding.location.column) == (4, 32)
