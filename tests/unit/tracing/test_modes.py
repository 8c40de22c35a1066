"""The eval mode is traced by itself only where the code that ran depends on the mode."""

from __future__ import annotations

import functools
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.layers.table import builtin_table
from bnlint.models.guessing.guess import given
from bnlint.tracing.climbing import climb
from bnlint.tracing.model import trace_model
from bnlint.tracing.modes.reads_of_mode import watched_mode


class Holding(nn.Module):
    """A layer, another one that may run in one mode only, and a share of dropout."""

    p = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.aux = nn.Linear(4, 4)
        self.drop = nn.Dropout(self.p)
        self.extra = None


class Branch(Holding):
    def forward(self, x):
        return self.aux(self.fc(x)) if self.training else self.fc(x)


def is_training(module):
    return module.training


class ThroughFunction(Holding):
    def forward(self, x):
        return self.aux(self.fc(x)) if is_training(self) else self.fc(x)


class ThroughPartial(Holding):
    def forward(self, x):
        asked = functools.partial(is_training, self)
        return self.aux(self.fc(x)) if asked() else self.fc(x)


class ThroughProperty(Holding):
    @property
    def learning(self):
        return self.training

    def forward(self, x):
        return self.aux(self.fc(x)) if self.learning else self.fc(x)


class ThroughGetattr(Holding):
    def forward(self, x):
        return self.aux(self.fc(x)) if getattr(self, "training") else self.fc(x)  # noqa: B009


class OfLayer(Holding):
    def forward(self, x):
        return self.aux(self.fc(x)) if self.drop.training else self.fc(x)


class Inherited(Branch):
    pass


class InHook(Holding):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(self.fc, nn.ReLU())
        self.block.register_forward_hook(lambda m, x, y: self.aux(y) if self.training else y)

    def forward(self, x):
        return self.block(x)


class OwnDropout(Holding):
    """Written by hand; no row of the table knows it."""

    p = 0.5

    def forward(self, x):
        return self.fc(x) * (torch.rand(4) if self.training and self.drop.p > 0 else 1)


class OwnTrain(Holding):
    def train(self, mode=True):
        self.extra = self.aux if mode else None
        return super().train(mode)

    def forward(self, x):
        return self.fc(x) if self.extra is None else self.extra(self.fc(x))


class Argument(Holding):
    p = 0.5

    def forward(self, x):
        return F.dropout(self.aux(self.fc(x)), self.drop.p, training=self.training)


class ChosenArgument(Holding):
    p = 0.5

    def forward(self, x):
        return F.dropout(self.fc(x), p=self.drop.p if self.training else 0.0)


class NothingToDrop(Holding):
    def forward(self, x):
        p = 0.0 if not self.training else self.drop.p
        return is_large(self.fc(x), p)


def is_large(x, p):
    return x * p


class NothingExtra(Holding):
    def forward(self, x):
        if self.training and self.extra is not None:
            x = self.extra(x)
        return self.fc(x)


class ShortCut(Holding):
    def forward(self, x):
        return self.aux(x) if self.drop.p > 0 and self.training else self.fc(x)


SPACE = {"Holding": Holding}
exec(
    "class FromString(Holding):\n"
    "    def forward(self, x):\n"
    "        return self.aux(self.fc(x)) if self.training else self.fc(x)\n",
    SPACE,
)


class OnlyDropout(Holding):
    def forward(self, x):
        return self.drop(self.fc(x))


class OwnEval(Holding):
    def eval(self):
        self.extra = None
        return super().eval()

    def train(self, mode=True):
        self.extra = [self.aux] if mode else []
        return super().train(mode)

    def forward(self, x):
        return self.fc(x) if not self.extra else self.extra[0](self.fc(x))


class Plan:
    deep = True


class ThroughPlan(Holding):
    def __init__(self) -> None:
        super().__init__()
        self.plan = Plan()

    def train(self, mode=True):
        self.plan.deep = mode
        return super().train(mode)

    def forward(self, x):
        return self.aux(self.fc(x)) if self.plan.deep else self.fc(x)


class ThroughClass(Holding):
    deep = True

    def train(self, mode=True):
        type(self).deep = mode
        return super().train(mode)

    def forward(self, x):
        return self.aux(self.fc(x)) if self.deep else self.fc(x)


DEEP = True


class ThroughGlobal(Holding):
    def train(self, mode=True):
        global DEEP
        DEEP = mode
        return super().train(mode)

    def forward(self, x):
        return self.aux(self.fc(x)) if DEEP else self.fc(x)


class HookOfTrain(Holding):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(self.fc, nn.ReLU())

    def train(self, mode=True):
        self.block._forward_hooks.clear()
        if mode:
            self.block.register_forward_hook(lambda m, x, y: self.aux(y))
        return super().train(mode)

    def forward(self, x):
        return self.block(x)


class TellingTrain(Holding):
    """As a library does that may do more, but not for this model."""

    use_kernels = False

    def train(self, mode=True):
        changed = self.training != mode
        found = super().train(mode)
        if self.use_kernels and changed:
            self.extra = self.aux
        return found

    def eval(self):
        return self.train(False)

    def forward(self, x):
        return self.aux(self.fc(x))


class FrozenNorm(Holding):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x):
        return self.aux(self.norm(self.fc(x)))


GIVEN = given(torch.empty(2, 4, device="meta"))
DIFFERENT = (
    Branch, ThroughFunction, ThroughPartial, ThroughProperty, ThroughGetattr, OfLayer, Inherited,
    InHook, OwnDropout, SPACE["FromString"],
)  # fmt: skip
SWITCHING = (
    OwnTrain, OwnEval, ThroughPlan, ThroughClass, ThroughGlobal, HookOfTrain,
)  # fmt: skip
SAME = (Argument, ChosenArgument, NothingToDrop, NothingExtra, ShortCut, OnlyDropout)


@pytest.mark.parametrize("kind", [*DIFFERENT, *SAME])
def test_what_reads_the_mode_is_found_wherever_it_does(kind):
    model = kind().to("meta").train()
    with watched_mode(model, builtin_table()) as watch:
        climb(model, builtin_table(), GIVEN)
    assert watch.differs is (kind in DIFFERENT)
    assert model.training is True
    assert "training" not in vars(nn.Module)


@pytest.mark.parametrize("kind", SWITCHING)
def test_a_switch_that_changes_more_than_the_mode_is_found(kind):
    assert trace_model(kind(), inputs=GIVEN).evaluation


@pytest.mark.parametrize("kind", [TellingTrain, FrozenNorm])
def test_a_switch_that_changes_the_mode_alone_needs_no_second_trace(kind):
    model = kind()
    graph = trace_model(model, inputs=GIVEN)
    assert not graph.evaluation
    assert {(m.calls, m.eval_calls) for m in graph.modules if m.path == "aux"} == {(1, 1)}
    assert model.training


@pytest.mark.parametrize(
    "kind", [c for c in (*DIFFERENT, *SWITCHING) if c not in (InHook, OwnDropout)]
)
def test_calls_are_counted_in_each_mode(kind):
    graph = trace_model(kind(), inputs=GIVEN)
    (aux,) = [m for m in graph.modules if m.path == "aux"]
    assert (aux.calls, aux.eval_calls) == (1, 0)


def test_calls_of_one_trace_hold_for_both_modes():
    graph = trace_model(Argument(), inputs=GIVEN)
    assert {(m.calls, m.eval_calls) for m in graph.modules if m.leaf and m.path != "drop"} == {
        (1, 1)
    }


class FailingAlike(Holding):
    """It fails in both modes, and asks in a way that no read shows."""

    modes: ClassVar[list[bool]] = []

    def forward(self, x):
        if isinstance(x, torch.Tensor):
            self.modes.append(vars(self)["training"])
        raise LookupError("nothing here")


class FailingInTraining(Holding):
    def forward(self, x):
        if self.training:
            raise LookupError("only evaluation is written")
        return self.fc(x)


class FailingBySwitch(Holding):
    def train(self, mode=True):
        self.extra = None if mode else self.aux
        return super().train(mode)

    def forward(self, x):
        return self.extra(self.fc(x))


def test_evaluation_is_not_tried_where_it_must_fail_alike():
    FailingAlike.modes.clear()
    assert not trace_model(FailingAlike(), inputs=GIVEN).trace.complete
    assert set(FailingAlike.modes) == {True}


@pytest.mark.parametrize("kind", [FailingInTraining, FailingBySwitch])
def test_evaluation_is_tried_where_it_may_pass(kind):
    trace = trace_model(kind(), inputs=GIVEN).trace
    assert trace.complete
    assert not trace.training
