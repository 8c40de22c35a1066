"""``--format html``: from the command to a file, also when nothing has to be traced again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bnlint
from bnlint.cli import main
from bnlint.config import load_settings
from bnlint.isolation import pool
from bnlint.pipeline import check

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x))).mean((2, 3))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def _data(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*)</script>\n<script>', page)
    assert found
    return json.loads(found[1])


def _no_tracing(*_: object) -> None:
    raise AssertionError("this run traces again")


def test_a_run_known_from_the_cache_has_its_graphs_all_the_same(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["net.py"]) == 1
    monkeypatch.setattr(pool, "Pool", _no_tracing)
    assert main(["net.py", "--format", "html=out/page.html", "--format", "text"]) == 1
    assert "BN301" in capsys.readouterr().out
    page = (project / "out" / "page.html").read_text("utf-8")
    (graph,) = _data(page)["graphs"]
    layers = [node["layer"] for node in graph["nodes"]]
    assert layers[:4] == ["x", "conv", "bn", "relu()"]
    assert graph["marks"][0]["nodes"] == [1]
    assert f"vscode://file{project}/net.py:8:21" in page
    assert "self.conv = <mark>nn.Conv2d(3, 8, 3)</mark>" in page


def test_the_page_goes_to_standard_output_and_says_what_was_not_checked(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "bad.py").write_text("import torch\nraise RuntimeError('</script> no')\n")
    assert main(["net.py", "bad.py", "--format", "html"]) == 2
    shown = capsys.readouterr()
    assert shown.out.startswith("<!DOCTYPE html>")
    assert "&lt;/script&gt; no" in shown.out
    assert shown.err == ""


def test_only_a_run_that_draws_carries_graphs(project: Path) -> None:
    assert check(load_settings({"paths": ["net.py"]})).graphs == ()
    (graph,) = check(load_settings({"paths": ["net.py"], "formats": ["html=x"]})).graphs
    assert graph.ref.file == "net.py"
    assert check(load_settings({"paths": ["net.py"]})).graphs == ()


def test_the_report_about_a_live_model_can_be_drawn() -> None:
    from torch import nn

    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
    page = bnlint.check_model(net, isolated=True).render("html")
    assert [node["kind"] for node in _data(page)["graphs"][0]["nodes"]][1:4] == [
        "linear",
        "batchnorm1d",
        "relu",
    ]


def test_a_probe_adds_pictures_and_tables(project: Path) -> None:
    command = [sys.executable, "-m", "bnlint", "probe", "net.py::Net", "--batch", "16"]
    done = subprocess.run(
        [*command, "--input", "16x3x12x12", "--format", "html=page.html", "--exit-zero"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (project / "page.html").read_text("utf-8")
    assert "<h3>Probe of Net</h3>" in page
    assert "<h4>Activations</h4>" in page
    assert "-&gt; relu</td>" in page
    assert "data:image/svg+xml;base64," in page or "pictures need matplotlib" in page
    assert len(_data(page)["graphs"]) == 1
