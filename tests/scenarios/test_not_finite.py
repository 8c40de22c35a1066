"""A probe of a model that blows up is written in every format, and its JSON is JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bnlint.cli import main

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, scale, weight=1.0):
        super().__init__()
        self.scale = scale
        self.first, self.norm, self.last = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)
        with torch.no_grad():
            self.first.weight[0] = weight
            self.norm.weight[0] = weight

    def forward(self, x):
        hidden = torch.relu(self.first(x) * self.scale)
        return self.last(torch.relu(self.norm(hidden)))
"""
CALLS = ["Net(1e38)", "Net(float('nan'))", "Net(1, float('inf'))", "Net(1, float('nan'))"]


def refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@pytest.mark.hostile
@pytest.mark.parametrize("call", CALLS)
def test_every_format(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    formats = ("json", "sarif", "gitlab", "junit", "html")
    written = [f"--format={name}=out.{name}" for name in formats]
    arguments = ["--input=8x6", "--no-cache", "--compare", "--steps=1", *written]
    assert main(["probe", f"net.py::{call}", *arguments]) == 1
    for name in ("json", "sarif", "gitlab"):
        json.loads(Path(f"out.{name}").read_text(), parse_constant=refuse)
    page = Path("out.html").read_text()
    for data in re.findall(r'<script type="?application/json[^>]*>(.*?)</script>', page, re.DOTALL):
        json.loads(data, parse_constant=refuse)
