"""A notebook is checked like a file: its places are cells and lines in them, in every format."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import bnlint
from bnlint.cli import main

SCHEMA = Path(__file__).parent.parent / "data" / "sarif-2.1.0-rtm.5.json"

SETUP = ["%matplotlib inline\n", "import torch\n", "from torch import nn\n", "display(nn)"]
MODEL = """\
class {}(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3){}
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.conv(x))
"""


def _cell(source: Any) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": 1, "outputs": [], "source": source}


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    cells = [
        {"cell_type": "markdown", "source": "# A lesson"},
        _cell(SETUP),
        _cell("data = open('gone.csv').read()"),
        _cell(MODEL.format("First", "")),
        _cell(MODEL.format("Second", "  # bnlint: ignore[BN301] -- as in the paper")),
    ]
    path = tmp_path / "net.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1))
    return path


def _output(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    main(list(arguments))
    return tuple(capsys.readouterr())  # type: ignore[return-value]


def test_findings_name_cell_and_line(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, notes = _output(capsys, "net.ipynb")
    (line,) = out.splitlines()
    assert line.startswith("net.ipynb:cell 4:4:21: BN301 warning: ")
    assert "net.ipynb:cell 3:1: note (import-failed)" in notes
    assert "gone.csv" in notes
    assert "2 models checked" in notes
    assert "1 suppressed" in notes


def test_the_same_from_the_cache(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = _output(capsys, "net.ipynb")
    assert _output(capsys, "net.ipynb") == first
    data = json.loads(notebook.read_text())
    data["cells"].insert(0, _cell(""))
    notebook.write_text(json.dumps(data))
    assert "net.ipynb:cell 5:4:21" in _output(capsys, ".")[0]


def test_json_has_a_field_for_the_cell(notebook: Path) -> None:
    report = bnlint.check("net.ipynb")
    document = json.loads(report.render("json"))
    (finding,) = document["findings"]
    assert (finding["file"], finding["cell"], finding["line"]) == ("net.ipynb", 4, 4)
    assert finding["related"][0]["cell"] == 4
    assert [(p["cell"], p["line"]) for p in document["problems"]] == [(3, 1)]
    assert report.models[0].ref.definition is not None
    assert report.models[0].ref.definition.cell == 4


@pytest.mark.parametrize("name", ["sarif", "github", "gitlab"])
def test_formats_of_services_point_at_the_file_and_say_the_cell(notebook: Path, name: str) -> None:
    text = bnlint.check("net.ipynb").render(name)
    assert "cell 4, line 4: " in text
    if name == "sarif":
        log = json.loads(text)
        jsonschema.Draft4Validator(json.loads(SCHEMA.read_text())).validate(log)
        place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        assert place["region"] == {"startLine": 1, "startColumn": 1}


def test_pages_show_the_line_of_the_cell(notebook: Path) -> None:
    page = bnlint.check("net.ipynb", formats=["html"]).render("html")
    assert "net.ipynb:cell 4:4:21" in page
    assert "<mark>nn.Conv2d(3, 8, 3)</mark>" in page
    assert "net.ipynb:cell 4:4:21" in bnlint.check("net.ipynb").render("junit")


def test_notebooks_are_not_edited(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = notebook.read_bytes()
    out, notes = _output(capsys, "net.ipynb", "--fix", "--unsafe-fixes")
    assert "net.ipynb:cell 4:4:21" in out
    assert "notebooks are not edited: net.ipynb" in notes
    assert notebook.read_bytes() == before


def test_baseline_and_since(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _output(capsys, "baseline", "write", "net.ipynb")
    out, notes = _output(capsys, "net.ipynb", "--baseline", "bnlint-baseline.json")
    assert out == ""
    assert "1 in the baseline" in notes
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *command], check=True)
    assert _output(capsys, "net.ipynb", "--since", "HEAD")[0] == ""
    notebook.write_text(notebook.read_text() + "\n")
    assert "cell 4:4:21" in _output(capsys, "net.ipynb", "--since", "HEAD")[0]
