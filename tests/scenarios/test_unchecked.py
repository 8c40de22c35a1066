"""Exit codes and counts where something was not checked, and what a library has built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bnlint.cli import main

OPAQUE = """
import torch.nn as nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        if x.shape[2] * x.shape[3] % 104729 != 17:
            raise ValueError("no")
        return self.conv(x)
"""
GOOD = """
import torch.nn as nn

net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1))
"""
PARTS = """
import torch.nn as nn

def stem():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
"""
USER = """
import torch.nn as nn
from partslib import stem

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = stem()
        self.head = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x):
        return self.head(self.stem(x))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object], str]:
    code = main([*arguments, "--format", "json", "--no-cache"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out), shown.err


def test_a_model_that_could_not_be_traced_is_not_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "net.py").write_text(OPAQUE)
    code, report, _ = run(capsys, "net.py")
    assert code == 2
    assert report["summary"]["models"] == 0  # type: ignore[index]
    assert report["summary"]["not_checked"] == 1  # type: ignore[index]
    assert report["models"] == []
    (problem,) = report["problems"]  # type: ignore[misc]
    assert problem["kind"] == "untraceable"
    assert problem["blocking"]
    assert run(capsys, "net.py", "--allow-unchecked")[0] == 0


def test_a_folder_in_which_no_model_could_be_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "net.py").write_text(OPAQUE)
    assert run(capsys, ".")[0] == 2
    assert run(capsys, ".", "--allow-unchecked")[0] == 0
    (folder / "good.py").write_text(GOOD)
    code, report, _ = run(capsys, ".")
    assert code == 0
    assert [model["name"] for model in report["models"]] == ["net"]  # type: ignore[attr-defined]


def test_what_a_library_built_is_info(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = folder / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "partslib.py").write_text(PARTS)
    (folder / "net.py").write_text(USER)
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.setenv("PYTHONPATH", str(installed))
    _, report, _ = run(capsys, "net.py", "--select", "BN301")
    found = {f["layer"]: f for f in report["findings"]}  # type: ignore[attr-defined]
    assert found["stem.0"]["severity"] == "info"
    assert found["stem.0"]["line"] == 8
    assert "partslib" in found["stem.0"]["message"]
    assert found["head.0"]["severity"] == "warning"
    main(["net.py", "--fix", "--unsafe-fixes", "--no-cache", "--select", "BN301"])
    capsys.readouterr()
    assert "bias=False" not in (installed / "partslib.py").read_text()
    assert "bias=False" in (folder / "net.py").read_text()
    _, own, _ = run(capsys, str(installed / "partslib.py"), "--select", "BN301")
    assert [f["severity"] for f in own["findings"]] == ["warning"]  # type: ignore[attr-defined]


def test_json_names_every_layer_of_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = "*[m for _ in range(6) for m in (nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.ReLU())]"
    (folder / "net.py").write_text(f"import torch.nn as nn\n\nnet = nn.Sequential({many})\n")
    _, report, _ = run(capsys, "net.py", "--select", "BN301")
    (finding,) = report["findings"]  # type: ignore[misc]
    assert finding["layers"] == [str(n) for n in range(0, 18, 3)]
    assert finding["count"] == 6
