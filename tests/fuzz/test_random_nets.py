"""Random sound networks are silent; a fault planted in one is found at its layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

import bnlint
from bnlint.domain.finding import Severity
from tests.fuzz.building import build, build_unit, draft_of
from tests.fuzz.faults import FAULTS, Fault
from tests.fuzz.forward_faults import FORWARD_FAULTS
from tests.fuzz.nets import nets
from tests.fuzz.plan import Net, Unit, units_of

profile = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)


def heavy(model: nn.Module, net: Net) -> list[tuple[str, str]]:
    """Rules and layers of the findings at warning and above."""
    inputs = torch.empty(2, 3, *[32] * net.dims) if net.given else None
    report = bnlint.check_model(model, inputs)
    assert not report.problems
    return [(f.rule, f.layer) for f in report.findings if f.severity.at_least(Severity.WARNING)]


def planted(net: Net, fault: Fault, place: int) -> tuple[nn.Module, str]:
    """The model with a fault in the ``place``-th unit, and the path of the layer at fault."""
    count = 0
    marks: list[tuple[nn.Module, str]] = []

    def make(unit: Unit) -> nn.Module:
        nonlocal count
        draft = draft_of(unit, net.dims)
        name = fault.plant(draft) if count == place else ""
        built = build_unit(draft)
        count += 1
        if name:
            marks.append((built, name))
        return built

    model = build(net, make)
    [(owner, name)] = marks
    path = next(path for path, module in model.named_modules() if module is owner)
    return model, f"{path}.{name}"


@settings(profile, max_examples=100)
@given(nets())
def test_a_sound_net_is_silent(net):
    assert heavy(build(net, lambda unit: build_unit(draft_of(unit, net.dims))), net) == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_planted_fault_is_found_at_its_layer(fault):
    settings(profile, max_examples=24)(given(nets(most=2), st.data())(is_found(fault)))()


@pytest.mark.parametrize("fault", FORWARD_FAULTS.values(), ids=list(FORWARD_FAULTS))
def test_a_fault_of_the_forward_is_found_at_its_operation(fault):
    settings(profile, max_examples=10)(given(nets(most=2), st.data())(is_found(fault)))()


def is_found(fault):
    """A check that draws a net and where to plant the fault in it."""

    def check(net, data):
        places = [n for n, unit in enumerate(units_of(net.body)) if fault.fits(unit)]
        assume(places and net.dims >= fault.least_dims)
        net = replace(net, given=net.given or fault.needs_inputs)
        model, layer = planted(net, fault, data.draw(st.sampled_from(places)))
        assert heavy(model, net) == [(fault.rule, layer)]

    return check
