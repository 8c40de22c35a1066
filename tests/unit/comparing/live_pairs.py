"""A small model in which each test changes one thing."""

from __future__ import annotations

import textwrap

import torch
import torch.nn.functional as F
from torch import nn

import bnlint
from bnlint.api import ModelComparison

INPUT = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

SOURCE = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU()
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 4)
    def forward(self, x):
        x = self.act(self.norm(self.conv(x)))
        x = x.mean((2, 3))
        return self.fc(self.drop(x))
"""


def built(source: str) -> nn.Module:
    """The model ``Net`` of a source."""
    names: dict[str, object] = {"nn": nn, "torch": torch, "F": F}
    exec(compile(textwrap.dedent(source), "<net>", "exec"), names)
    made = names["Net"]()  # type: ignore[operator]
    assert isinstance(made, nn.Module)
    return made


def changed(*edits: tuple[str, str], source: str = SOURCE) -> ModelComparison:
    """The comparison of a source with itself after some edits, each of which must apply."""
    new = source
    for old_text, new_text in edits:
        assert old_text in new
        new = new.replace(old_text, new_text)
    return bnlint.compare(built(source), built(new), inputs=INPUT)
