"""``--graph``: chains on standard output, what could not be traced on standard error."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.cli import main

NET = "from torch import nn\n\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"


@pytest.mark.parametrize(("paths", "code"), [(["net.py", "bad.py"], 2), (["."], 0)])
def test_what_cannot_be_traced_is_told_beside_the_graphs(
    paths: list[str],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "bad.py").write_text("import torch\nraise ValueError('no')\n")
    assert main([*paths, "--graph"]) == code
    shown = capsys.readouterr()
    assert [row.split()[-2:] for row in shown.out.splitlines()[2:4]] == [
        ["0:3", "2x8x222x222"],
        ["1:3", "2x8x222x222"],
    ]
    assert shown.err.startswith("bad.py:2: not checked (import-failed)")
    assert "model" not in shown.err
