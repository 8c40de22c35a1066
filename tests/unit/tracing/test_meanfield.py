"""The integrals against formulas that are known, and against samples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bnlint.tracing.initial.meanfield import (
    SignalMoments,
    Units,
    largest_of,
    mean_of,
    through_function,
    through_kernel,
    through_rectifier,
)


def units(centre: float, vague: float, spread: float, wobble: float = 0.0) -> Units:
    one = torch.ones(1, dtype=torch.float64)
    return Units(one * centre, one * vague, one * spread, wobble, 64)


def test_a_centred_rectifier():
    found = through_rectifier(units(0, 0, 2))
    assert found.moments.total == pytest.approx(1)  # half of the second moment (He et al. 2015)
    assert found.moments.mean == pytest.approx(math.sqrt(2 / (2 * math.pi)))
    assert found.slope == pytest.approx(0.5)
    assert found.shared_slope == pytest.approx(0.25)


def test_the_correlation_map_of_a_rectifier():
    """Cho and Saul 2009: for a correlation of c, what samples share is the arc-cosine kernel."""
    c = 0.6
    found = through_rectifier(units(0, c, 1 - c))
    angle = math.acos(c)
    expected = (math.sin(angle) + (math.pi - angle) * c) / (2 * math.pi)
    assert found.moments.shared == pytest.approx(expected, rel=1e-3)
    assert found.moments.total == pytest.approx(0.5, rel=1e-3)


def test_a_leaky_rectifier_lies_between_identity_and_rectifier():
    identity = through_rectifier(units(0.3, 0.5, 1), slope=1.0)
    assert identity.moments.total == pytest.approx(0.3**2 + 1.5)
    assert (identity.slope, identity.shared_slope) == (pytest.approx(1), pytest.approx(1))
    leaky = through_rectifier(units(0, 0, 1), slope=0.2)
    assert leaky.moments.total == pytest.approx((1 + 0.2**2) / 2)


def test_the_general_integral_agrees_with_the_closed_form():
    given = units(-0.4, 0.3, 0.8)
    closed, general = (
        through_rectifier(given, 0.3),
        through_function(given, lambda z: nn.functional.leaky_relu(z, 0.3)),
    )
    for one, other in ((closed.moments.total, general.moments.total),
                       (closed.moments.shared, general.moments.shared),
                       (closed.slope, general.slope)):  # fmt: skip
        assert other == pytest.approx(one, rel=0.03)


def test_tanh_against_samples():
    torch.manual_seed(0)
    z = 0.5 + torch.randn(4000, 1).double() * 0.6 + torch.randn(1, 4000).double() * 1.1
    found = through_function(units(0.5, 0.36, 1.21), torch.tanh)
    y = z.tanh()
    assert found.moments.total == pytest.approx(float(y.square().mean()), rel=0.03)
    assert found.moments.shared == pytest.approx(float(y.mean(1).square().mean()), rel=0.1)
    assert found.slope == pytest.approx(float((1 - y**2).square().mean()), rel=0.03)


def test_a_kernel_against_samples():
    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    shared, own = torch.randn(1, 400) * 0.5 + 0.2, torch.randn(2000, 400) * 0.7
    z = layer(shared + own).detach()
    x = SignalMoments(float(shared.mean()), float(shared.square().mean()),
                float((shared + own).square().mean()))  # fmt: skip
    found = through_kernel(layer.weight.detach(), layer.bias.detach(), x).moments()
    assert found.spread == pytest.approx(float(z.var(0).mean()), rel=0.1)
    assert found.shared == pytest.approx(float(z.mean(0).square().mean()), rel=0.2)


def test_units_start_dead_by_their_bias():
    given = Units(*(torch.full((1,), v).double() for v in (-2.0, 0.0, 0.01)),
                  bias=torch.full((1,), -2.0).double())  # fmt: skip
    assert given.starting_dead(3.2) == pytest.approx(1)
    assert given.without_bias().starting_dead(3.2) == pytest.approx(0)


def test_a_signal_that_varies_in_size_keeps_units_alive():
    assert units(-1, 0, 0.04).starting_dead(3.2) > 0.99
    assert units(-1, 0, 0.04, wobble=20.0).starting_dead(3.2) < 0.01


def test_few_units_wobble_more():
    few = through_rectifier(units(0, 0, 1)).moments.wobble
    many = Units(*(torch.zeros(1).double() + v for v in (0, 0, 1)), count=6400)
    assert few == pytest.approx(100 * through_rectifier(many).moments.wobble)


def test_pools():
    x = SignalMoments(0.0, 0.0, 1.0)
    assert mean_of(x, 4).spread == pytest.approx(0.25)
    torch.manual_seed(0)
    largest = torch.randn(100_000, 4).amax(1)
    found = largest_of(x, 4)
    assert found.mean == pytest.approx(float(largest.mean()), abs=0.02)
    assert found.spread == pytest.approx(float(largest.var()), abs=0.02)
