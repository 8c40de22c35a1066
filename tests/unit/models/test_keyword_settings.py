"""Settings that are passed on by keyword, or merged over defaults."""

from __future__ import annotations

import pytest

from bnlint.domain.graph import ModelGraph
from tests.unit.models.test_discovery import records

NET = """
from types import SimpleNamespace

class Net(nn.Module):
    default = {{"width": 12, "heads": 3, "weights": None}}
    kept = {{}}

    def __init__(self, {parameters}):
        super().__init__()
        {settings}
        self.fc = nn.Linear({width}, {heads})

    def forward(self, x):
        return self.fc(x)
"""


def guessed(parameters: str, settings: str, width: str, heads: str) -> tuple[str, ...]:
    code = NET.format(parameters=parameters, settings=settings, width=width, heads=heads)
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    (linear,) = (op for op in graph.ops if op.kind == "linear")
    if not graph.ref.guessed or graph.ref.guessed == ("config",):
        assert linear.outputs == ((2, 3),)
    return graph.ref.guessed


@pytest.mark.parametrize(
    ("parameters", "settings", "read"),
    [
        ("**conf", "conf = SimpleNamespace(**{**self.default, **conf})", "conf.{}"),
        ("**conf", "self.conf = {**self.default, **conf}", "self.conf['{}']"),
        ("**conf", "conf = self.default | conf", "conf['{}']"),
        ("**conf", "conf = dict(self.default, **conf)", "conf['{}']"),
        ("**conf", "kept = dict(self.default); kept.update(conf)", "kept['{}']"),
        ("config", "self.config = {**self.default, **config}", "self.config['{}']"),
    ],
)
def test_what_has_a_default_is_not_guessed(parameters: str, settings: str, read: str) -> None:
    found = guessed(parameters, settings, read.format("width"), read.format("heads"))
    assert found == (("config",) if parameters == "config" else ())


def test_keys_that_have_no_default_are_guessed() -> None:
    found = guessed("**kwargs", "self.kept.update(kwargs)", "self.kept['a']", "self.kept['b']")
    assert set(found) == {"a", "b"}


INNER = """
class Inner(nn.Module):
    def __init__(self, index, width, depth=2, **kwargs):
        super().__init__()
        self.net = nn.Sequential(*[nn.Linear(width, width) for _ in range(depth)])
        self.drop = nn.Dropout(kwargs["drop_p"])

    def forward(self, x):
        return self.drop(self.net(x))
"""
OUTER = """
class Outer(nn.Module):
    def __init__(self, {parameter}):
        super().__init__()
        self.inner = Inner(0, **{passed})

    def forward(self, x):
        return self.inner(x)
"""
DERIVED = """
class Derived(Outer):
    def __init__(self, first):
        super().__init__(first)
"""


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (OUTER.format(parameter="**kwargs", passed="kwargs"), ("width", "drop_p")),
        (OUTER.format(parameter="inner", passed="inner"), ("inner.width", "inner.drop_p")),
        (OUTER.format(parameter="cfg", passed="cfg.a"), ("cfg.a.width", "cfg.a.drop_p")),
        (
            OUTER.format(parameter="cfg", passed="cfg['a']") + DERIVED,
            ("first.a.width", "first.a.drop_p"),
        ),
    ],
)
def test_what_a_part_requires_is_asked_of_the_settings_that_it_gets(
    code: str, names: tuple[str, ...]
) -> None:
    graphs = [r for r in records(INNER + code) if isinstance(r, ModelGraph)]
    assert set(graphs[-1].ref.guessed) == set(names)
    assert graphs[-1].trace.complete
