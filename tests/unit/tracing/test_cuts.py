"""Every way in which a forward cuts the gradient, and those that only look like one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.graph.facts import Facts
from bnlint.graph.view import View
from bnlint.models.guessing.guess import given
from bnlint.tracing.model import trace_model


def starved(forward) -> list[tuple[str, str]]:
    """What cuts, and the layer that it starves, in a net of two layers with this in between."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 4)

        def forward(self, x):
            return self.last(forward(self.first(x)))

    facts = Facts(View(trace_model(Net(), inputs=given(torch.empty(2, 8, device="meta")))))
    cuts = [op for op in facts.view.ops if facts.op(op, "starved-used") is True]
    return [(facts.op(op, "cut"), facts.op(op, "starved-first")) for op in cuts]


def without_gradients(h):
    with torch.no_grad():
        return h * 2


def by_index(h):
    _, index = h.max(-1)
    return F.one_hot(index, 8).float()


def by_choice(h):
    return torch.zeros(2, 8).scatter(1, h.topk(2)[1], 1.0)


CUTS = {
    "detach()": lambda h: h.detach(),
    ".data": lambda h: h.data,
    "no_grad": without_gradients,
    "argmax()": lambda h: F.one_hot(h.argmax(-1), 8).float(),
    "max()": by_index,
    "topk()": by_choice,
    "gt()": lambda h: (h > 0).float(),
    "long()": lambda h: h.long().float(),
    "to()": lambda h: h.to(torch.int64).to(torch.float32),
    "round()": lambda h: h.round(),
    "sign()": lambda h: torch.sign(h),
    "floor()": lambda h: h.floor(),
    "tensor()": lambda h: torch.tensor(h),
    "tensor() of plain numbers": lambda h: torch.tensor(h.tolist()),
}


@pytest.mark.parametrize("name", CUTS)
def test_what_cuts(name):
    assert starved(CUTS[name]) == [(name, "first")]


def test_a_way_round_by_numpy():
    way = starved(lambda h: torch.from_numpy(np.tanh(h.detach().cpu().numpy())))
    assert way == [("detach()", "first")]


WHOLE = {
    "straight through": lambda h: h + (h.round() - h).detach(),
    "a mask": lambda h: h * (h > 0).float(),
    "where": lambda h: torch.where(h > 0, h, 0.1 * h),
    "values of a choice": lambda h: h.sort(-1)[0],
    "picked by an index": lambda h: torch.gather(h, 1, h.detach().argsort(-1)),
}


@pytest.mark.parametrize("forward", WHOLE.values(), ids=WHOLE.keys())
def test_what_does_not_cut(forward):
    assert starved(forward) == []


class Rounded(torch.autograd.Function):
    """Has a gradient of its own, whatever it is called."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def test_a_function_with_a_backward_does_not_cut():
    assert starved(Rounded.apply) == []
