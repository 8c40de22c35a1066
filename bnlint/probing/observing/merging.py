"""Readings of many batches merged on the host, in double precision, by Chan's formula.

Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
variances" (1979).
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from bnlint.probing.observing.measure import unit_dims
from bnlint.probing.observing.norm_measure import negligible
from bnlint.probing.observing.numbers import combined
from bnlint.probing.observing.readings import ActivationReading, NormReading, SampleMoments

DIGITS = 1e-4
"""Below this share of the mean square, sums in single precision are not exact any more."""


def merged_activation(group: list[ActivationReading]) -> ActivationReading:
    """The readings of one call in several batches as one."""
    first = group[0]
    same = [r for r in group if r.maximum.shape == first.maximum.shape]
    gradients = [g for reading in same for g in reading.gradients]
    if not gradients and any(r.asked for r in same):
        gradients = [torch.zeros_like(first.maximum)]
    afters = [r.after for r in same if r.after is not None]
    return replace(
        first,
        moments=reduce(_chan, (r.moments for r in same)),
        maximum=reduce(torch.maximum, (r.maximum for r in same)),
        minimum=reduce(torch.minimum, (r.minimum for r in same)),
        before=torch.cat([r.before for r in same]),
        after=torch.cat(afters) if afters else first.before.new_zeros(0),
        gradients=[reduce(torch.maximum, gradients)] if gradients else [],
        at_output=any(r.at_output for r in group),
        compares=all(r.compares for r in group),
        more=combined([r.more for r in same]),
    )


def exact_figures(group: list[ActivationReading]) -> tuple[float, float, float] | None:
    """Mean, deviation and spread between samples over all places; None if they were not summed.

    The spread within batches is exact; what batches differ in is known of a sample of places only,
    so it is raised in the same proportion. Where single precision leaves no digits, None too.
    """
    found = [(r.moments.samples, r.whole) for r in group if r.whole is not None]
    if len(found) != len(group):
        return None
    values = sum(w.values for _, w in found)
    mean = sum(float(w.total) * w.values for _, w in found) / values
    square = sum(float(w.square) * w.values for _, w in found) / values
    apart = sum(max(float(w.square) - float(w.common), 0.0) * w.values for _, w in found)
    within = apart / values * _raised([r.moments for r in group])
    variance = square - mean * mean
    if not math.isfinite(square) or min(variance, within) < DIGITS * square:
        return None
    return mean, math.sqrt(variance), math.sqrt(within)


def _raised(batches: list[SampleMoments]) -> float:
    """The spread over all samples, over that within batches."""
    total = sum(m.samples for m in batches)
    parts = sum(float(unit_moments(m)[2].mean()) * m.samples for m in batches) / total
    whole = float(unit_moments(reduce(_chan, batches))[2].mean())
    return whole / parts if parts > 0 else 1.0


def _chan(a: SampleMoments, b: SampleMoments) -> SampleMoments:
    """The moments of both samples together; places that differ in number are averaged first."""
    if a.mean.shape != b.mean.shape:
        a, b = _one_place(a), _one_place(b)
    count = a.samples + b.samples
    delta = b.mean.double() - a.mean.double()
    mean = a.mean.double() + delta * (b.samples / count)
    between = delta.square() * (a.samples * b.samples / count)
    deviations = a.deviations.double() + b.deviations.double() + between
    return SampleMoments(count, a.axis, mean, deviations)


def _one_place(m: SampleMoments) -> SampleMoments:
    """The same units with their places averaged (feature maps of several sizes)."""
    mean, variance, _ = unit_moments(m)
    return SampleMoments(m.samples, 0, mean, variance * m.samples)


def unit_moments(m: SampleMoments) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance, and variance between samples at one place, all per unit."""
    dims = unit_dims(m.mean.ndim, m.axis)
    means, spread = m.mean.double(), m.deviations.double() / m.samples
    if not dims:
        return means, spread, spread
    mean = means.mean(dims, keepdim=True)
    between_places = (means - mean).square().mean(dims)
    within = spread.mean(dims)
    return mean.reshape(-1), within + between_places, within


def merged_norm(group: list[NormReading]) -> NormReading:
    """The readings of one call of a norm in several batches as one."""
    total = sum(r.samples for r in group)
    lows = [r.low * (r.samples / total) for r in group if r.low is not None]
    mean = sum((r.mean.double() * (r.samples / total) for r in group), torch.zeros(()))
    variance = sum((r.variance.double() * (r.samples / total) for r in group), torch.zeros(()))
    low = torch.stack(lows).sum() if len(lows) == len(group) else None
    if group[0].batch_statistics or low is None:  # of the whole, which is exact
        low = (variance < negligible(group[0].eps)).double().mean()
    return replace(group[0], samples=total, mean=mean, variance=variance, low=low)
