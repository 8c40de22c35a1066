"""Models that a constructor takes, alone or several of them."""

from __future__ import annotations

import pytest

from bnlint.domain.graph import ModelGraph
from tests.unit.models.test_discovery import records

IMPORTS = "from typing import Dict, Iterable, List, Optional, Sequence\n"
NET = """
class Net(nn.Module):
    def __init__(self, {parameter}, width=8):
        super().__init__()
        {body}
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head({forward})
"""
EACH = "torch.stack([m(x) for m in self.models]).mean(0)"


def net(parameter: str, body: str, forward: str = EACH) -> str:
    return IMPORTS + NET.format(parameter=parameter, body=body, forward=forward)


@pytest.mark.parametrize(
    "code",
    [
        net("models", "self.models = nn.ModuleList(models)"),
        net("experts", "self.models = nn.ModuleList(modules=experts)"),
        net("models: Iterable[nn.Module]", "self.models = models"),
        net("models: List[nn.Module]", "self.models = nn.ModuleList(models)"),
        net("parts: Sequence[nn.Module]", "self.net = nn.Sequential(*parts)", "self.net(x)"),
        net("parts", "self.net = nn.Sequential(*parts)", "self.net(x)"),
        net("encoder, neck", "self.net = nn.Sequential(encoder, neck)", "self.net(x)"),
        net("sides", "self.m = nn.ModuleDict(sides)", "sum(m(x) for m in self.m.values())"),
        net("sides: dict", "self.m = nn.ModuleDict(sides)", "sum(m(x) for m in self.m.values())"),
        net("m: Dict[str, nn.Module]", "self.m = m", "sum(m(x) for m in self.m.values())"),
        net("fn: Optional[nn.Module]", "self.fn = fn", "self.fn(x)"),
        net("part_list", "[self.add_module(f'm{i}', m) for i, m in enumerate(part_list)]", "x"),
    ],
)
def test_models_are_given_where_models_are_taken(code: str) -> None:
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    assert graph.trace.complete
    assert [op.outputs for op in graph.ops if op.kind == "linear"] == [((2, 10),)]


def test_each_of_several_models_is_of_the_class_that_is_called_so() -> None:
    block = """
class BigBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x):
        return self.fc(x)
"""
    code = block + net("blocks", "self.models = nn.ModuleList(blocks)", "x")
    graphs = [r for r in records(code) if isinstance(r, ModelGraph)]
    (made,) = (g.ref.arguments for g in graphs if g.ref.name == "Net")
    assert made.startswith("Net(blocks=[BigBlock(width=")
