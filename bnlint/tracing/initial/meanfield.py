"""Mean-field propagation: how initial weights scale a signal and a gradient, in expectation.

A layer's values are described by moments over its units and over samples. A value is the sum of a
part that all samples share and a part that differs between them; the second is the signal. A
kernel's weights determine how it changes the moments; for an activation they are Gaussian
integrals. The mean square of the gradient is propagated backwards in the same way.

In a layer with few units, or few active ones, some samples carry more signal than others. Whether a
layer with negative biases is still active depends on it, so it is propagated too (as ``wobble``).

Sources: Poole et al. 2016 (arXiv:1606.05340) for the signal, Schoenholz et al. 2017
(arXiv:1611.01232) for the gradient, He et al. 2015 (arXiv:1502.01852) for rectifiers. They take
expectations over random weights; here the row sums, row norms and biases are those of the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

UNITS = 128
"""Maximum number of units of a layer that are evaluated, evenly spaced."""

_STEP = 1e-3
_TINY = 1e-30
_WILD = 1e6
"""Limit of the wobble: from here on, a few samples carry all of the signal."""
_LARGEST_OF: dict[int, tuple[float, float]] = {4: (1.03, 0.49), 9: (1.49, 0.36)}
"""Mean and variance of the largest of that many standard normal values."""

Function = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class SignalMoments:
    """The mean of a layer's values, the mean square of their shared part and of the whole.

    ``wobble`` is the variance, from sample to sample, of the signal's size relative to its mean.
    """

    mean: float = 0.0
    shared: float = 0.0
    total: float = 1.0
    wobble: float = 0.0

    @property
    def spread(self) -> float:
        """The variance between samples."""
        return max(self.total - self.shared, 0.0)


@dataclass(frozen=True, slots=True)
class Units:
    """Pre-activations of some units: mean, uncertainty of that mean, variance between samples."""

    center: torch.Tensor
    vague: torch.Tensor
    spread: torch.Tensor
    wobble: float = 0.0
    count: int = 1
    bias: torch.Tensor | None = None

    def without_bias(self) -> Units:
        """The same units without their bias."""
        return self if self.bias is None else replace(self, center=self.center - self.bias)

    def moments(self) -> SignalMoments:
        """The moments before any activation."""
        shared = float((self.center**2 + self.vague).mean())
        total = shared + float(self.spread.mean())
        return SignalMoments(float(self.center.mean()), shared, total, self.wobble)

    def starting_dead(self, largest: float) -> float:
        """The share of units that are negative even ``largest`` standard deviations above the mean.

        For a sample that carries more signal than average, by one standard deviation.
        """
        reach = largest * math.exp(0.5 * math.sqrt(math.log1p(self.wobble)))
        top = self.center + reach * self.spread.sqrt()
        return float(_below(-top / (self.vague + _TINY).sqrt()).mean())


@dataclass(frozen=True, slots=True)
class Activated:
    """Moments after an activation; mean squares of its slope, and of the unit's mean slope."""

    moments: SignalMoments
    slope: float
    shared_slope: float


def through_kernel(rows: torch.Tensor, bias: torch.Tensor | None, x: SignalMoments) -> Units:
    """The pre-activations of a kernel; each of the ``rows`` holds the weights of one unit."""
    chosen = torch.linspace(0, len(rows) - 1, min(len(rows), UNITS)).long()
    picked, exact = rows[chosen], torch.float64
    center = picked.sum(1, dtype=exact) * x.mean
    size = torch.linalg.vector_norm(picked, dim=1, dtype=exact).square()
    shift = None if bias is None else bias[chosen].double()
    if shift is not None:
        center = center + shift
    vague = size * max(x.shared - x.mean**2, 0.0)
    return Units(center, vague, size * x.spread, x.wobble, len(rows), shift)


def through_rectifier(units: Units, slope: float = 0.0) -> Activated:
    """A ReLU or leaky ReLU in closed form, for samples with the same amount of signal."""
    nodes, weights = _centers(units)
    sizes, shares = _sizes(units.wobble)
    mean = (units.center[:, None] + units.vague.sqrt()[:, None] * nodes)[..., None]
    width = (units.spread[:, None, None] * sizes).sqrt() + _TINY
    on = _below(mean / width)
    bump = width * torch.exp(-0.5 * (mean / width) ** 2) / math.sqrt(2 * math.pi)
    first, second = mean * on + bump, (mean**2 + width**2) * on + mean * bump
    fourth = (mean**4 + 6 * mean**2 * width**2 + 3 * width**4) * on
    fourth = fourth + (mean**3 + 5 * mean * width**2) * bump
    square = slope**2 * (mean**2 + width**2) + (1 - slope**2) * second
    found = _gathered(
        weights,
        ((slope * mean + (1 - slope) * first) * shares).sum(-1),
        (square * shares).sum(-1),
        ((slope**2 + (1 - slope**2) * on) * shares).sum(-1),
        ((slope + (1 - slope) * on) * shares).sum(-1),
    )
    by_size = (square * weights[:, None]).sum(1).mean(0)
    fresh = float(((fourth * shares).sum(-1) * weights).sum(-1).mean()) - found.moments.total**2
    varying = float(((by_size - (by_size * shares).sum()) ** 2 * shares).sum())
    return _with_wobble(found, varying + max(fresh, 0.0) / units.count)


def _with_wobble(found: Activated, variance: float) -> Activated:
    """The result with this variance of a sample's mean square, relative to the signal."""
    signal = found.moments.spread
    wobble = min(variance / signal**2, _WILD) if signal**2 > 0 else 0.0
    return replace(found, moments=replace(found.moments, wobble=wobble))


def _sizes(wobble: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes and weights over the amount of signal in a sample, assumed log-normal."""
    nodes, shares = _gauss_hermite(9)
    width = math.sqrt(math.log1p(wobble))
    return torch.exp(width * nodes - 0.5 * width**2), shares


def through_function(units: Units, function: Function) -> Activated:
    """Any element-wise activation: integrated on a grid, with its slope from differences."""
    nodes, weights = _centers(units)
    inner, share = _gauss_hermite(41)
    mean = units.center[:, None, None] + units.vague.sqrt()[:, None, None] * nodes[:, None]
    z = mean + units.spread.sqrt()[:, None, None] * inner
    y = function(z.clone())
    slope = (function(z + _STEP) - function(z - _STEP)) / (2 * _STEP)
    return _gathered(
        weights,
        (y * share).sum(-1),
        (y**2 * share).sum(-1),
        (slope**2 * share).sum(-1),
        (slope * share).sum(-1),
    )


def _gathered(
    weights: torch.Tensor,
    value: torch.Tensor,
    square: torch.Tensor,
    slope: torch.Tensor,
    gate: torch.Tensor,
) -> Activated:
    """Means over the units and over the uncertainty of their own means."""

    def mean(of: torch.Tensor) -> float:
        return float((of * weights).sum(-1).mean())

    moments = SignalMoments(mean(value), mean(value**2), mean(square))
    return Activated(moments, mean(slope), mean(gate**2))


def largest_of(x: SignalMoments, count: int) -> SignalMoments:
    """The moments of the largest of ``count`` neighbors, assumed independent and normal."""
    up, width = _LARGEST_OF.get(count, (math.sqrt(2 * math.log(max(count, 2))), 0.4))
    lift = up * math.sqrt(x.spread)
    shared = x.shared + 2 * lift * x.mean + lift**2
    return SignalMoments(x.mean + lift, shared, shared + width * x.spread, x.wobble)


def mean_of(x: SignalMoments, count: int) -> SignalMoments:
    """The moments of the mean of ``count`` independent neighbors."""
    return SignalMoments(x.mean, x.shared, x.shared + x.spread / max(count, 1), x.wobble)


def _below(x: torch.Tensor) -> torch.Tensor:
    """The share of a standard normal variable below ``x``."""
    return 0.5 * torch.erfc(-x / math.sqrt(2))


def _centers(units: Units) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes and weights over the uncertainty of the units' means; one node if there is none."""
    return _gauss_hermite(21 if bool(units.vague.any()) else 1)


@lru_cache(maxsize=8)
def _gauss_hermite(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nodes and weights of the expectation over a standard normal (Golub and Welsch 1969)."""
    above = torch.arange(1, count, dtype=torch.float64).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(above, 1) + torch.diag(above, -1))
    return nodes, vectors[0] ** 2
