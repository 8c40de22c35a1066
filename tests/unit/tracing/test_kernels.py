"""Autograd functions that launch kernels of their own, which run on a GPU alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import TraceRequest
from bnlint.tracing.file import trace_records
from tests.unit.imported import nothing_stays

LAUNCHING = """
import cupy_of_nobody
import torch
from torch import nn

class Correlation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, one, two):
        {asked}
        output = one.new_zeros([one.shape[0], 81, one.shape[2], one.shape[3]])
        if one.is_cuda == True:
            cupy_of_nobody.compile("code").launch(one.data_ptr(), output.data_ptr())
        elif one.is_cuda == False:
            raise NotImplementedError()
        return output

    @staticmethod
    def backward(ctx, grad):
        raise NotImplementedError()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.last = nn.Conv2d({channels}, 2, 3)

    def forward(self, one, two):
        if one.shape[0] != two.shape[0]:
            raise ValueError()
        return self.last(Correlation.apply(self.first(one), self.first(two)))
"""


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    with nothing_stays():
        yield


def traced(tmp_path: Path, text: str) -> ModelGraph:
    file = tmp_path / "net.py"
    file.write_text(text)
    return next(r for r in trace_records(TraceRequest(str(file))) if isinstance(r, ModelGraph))


@pytest.mark.parametrize("asked", ["pass", "assert one.is_cuda"])
def test_the_result_is_what_was_made_for_it(tmp_path: Path, asked: str) -> None:
    graph = traced(tmp_path, LAUNCHING.format(asked=asked, channels=81))
    assert graph.trace.complete
    assert [op.error for op in graph.ops if op.error] == []
    outputs = [op.outputs for op in graph.ops if op.layer == "last"]
    assert outputs == [((2, 2, 220, 220),)]


def test_what_follows_is_still_judged_by_it(tmp_path: Path) -> None:
    graph = traced(tmp_path, LAUNCHING.format(asked="pass", channels=80))
    assert [op.layer for op in graph.ops if op.error] == ["last"]


def test_a_function_that_launches_nothing_still_fails(tmp_path: Path) -> None:
    first, last = (
        LAUNCHING.index("        if one.is_cuda"),
        LAUNCHING.index("        return output"),
    )
    text = LAUNCHING[:first] + "        raise NotImplementedError()\n" + LAUNCHING[last:]
    assert not traced(tmp_path, text.format(asked="pass", channels=81)).trace.complete


OUTER = """
class Outer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, one, two):
        assert one.is_cuda
        costs = Correlation.apply(one, two)
        output = torch.empty_like(costs)
        cupy_of_nobody.compile("code").launch(costs.data_ptr(), output.data_ptr())
        return output

class Net(
"""


def test_such_a_function_may_call_another(tmp_path: Path) -> None:
    text = LAUNCHING.format(asked="assert one.is_cuda", channels=81)
    text = text.replace("class Net(", OUTER.strip()).replace("last(Correlation", "last(Outer")
    text = text.replace("cupy_of_nobody", "another_of_nobody")
    graph = traced(tmp_path, text)
    assert graph.trace.complete
    assert [op.error for op in graph.ops if op.error] == []
    assert not torch.zeros(1).is_cuda
