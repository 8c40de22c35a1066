"""Instances that a file would have changed, had it run to its end."""

from __future__ import annotations

import ast
from collections import OrderedDict

import pytest
from torch import nn

from bnlint.models.unfinished import unfinished


def widen(net: nn.Module) -> None:
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            part.in_channels = 13


def train(net: nn.Module, options: object) -> None:
    options.best = net(None)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("net[0] = nn.Conv2d(13, 8, 3)", True),
        ("net.add_module('more', nn.ReLU())", True),
        ("body.conv = nn.Conv2d(13, 8, 3)", True),
        ("body.conv = other", True),
        ("body.conv.weight.data = read_weights()", False),
        ("body.device = read_device()", False),
        ("widen(net)", True),
        ("widen(other)", False),
        ("train(net, options)", False),
        ("other.fc = nn.Linear(3, 3)", False),
        ("net.eval()", False),
    ],
)
def test_a_statement_counts_that_gives_the_model_other_parts(text: str, found: bool) -> None:
    body = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 8, 3)))
    net = nn.Sequential(body, nn.ReLU())
    names = {"net": net, "body": body, "other": nn.Linear(3, 3), "widen": widen, "train": train}
    assert (unfinished(net, ast.parse(text).body, names) is not None) == found
