"""Readings of many batches, or of many processes, put together by Chan's formula.

Runs on the host in double precision, after the one transfer. Source: Chan, Golub and LeVeque,
"Updating formulae and a pairwise algorithm for computing sample variances" (1979).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from bnlint.layers.regions import Region
from bnlint.probing.observing.numbers import combined
from bnlint.probing.observing.readings import ActivationReading, Moments, NormReading


@dataclass(frozen=True, slots=True)
class Activation:
    """All readings of one call of one activation as one."""

    layer: str
    call: int
    kind: str
    region: Region
    dtype: str
    moments: Moments
    maximum: Tensor
    minimum: Tensor
    before: Tensor
    after: Tensor
    gradient: Tensor | None
    at_output: bool
    compares: bool
    more: Mapping[str, Tensor]


def merged(readings: Iterable[ActivationReading]) -> list[Activation]:
    """One :class:`Activation` for each call site, in the order of their first reading."""
    sites: dict[tuple[str, int], list[ActivationReading]] = {}
    for reading in readings:
        sites.setdefault(reading.key, []).append(reading)
    return [_activation(group) for group in sites.values()]


def chan(a: Moments, b: Moments) -> Moments:
    """The moments of both samples together; places that differ in number are averaged first."""
    if a.mean.shape != b.mean.shape:
        a, b = _one_place(a), _one_place(b)
    count = a.samples + b.samples
    delta = b.mean.double() - a.mean.double()
    mean = a.mean.double() + delta * (b.samples / count)
    between = delta.square() * (a.samples * b.samples / count)
    return Moments(count, a.axis, mean, a.deviations.double() + b.deviations.double() + between)


def unit_moments(m: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance, and variance between samples at one place, all per unit."""
    dims = tuple(d for d in range(m.mean.ndim) if d != m.axis)
    means, deviations = m.mean.double(), m.deviations.double()
    spread = deviations / m.samples
    if not dims:
        return means, spread, spread
    mean = means.mean(dims, keepdim=True)
    between_places = (means - mean).square().mean(dims)
    within = spread.mean(dims)
    return mean.reshape(-1), within + between_places, within


def _activation(group: list[ActivationReading]) -> Activation:
    first = group[0]
    same = [r for r in group if r.maximum.shape == first.maximum.shape]
    gradients = [g for reading in same for g in reading.gradients]
    if not gradients and any(r.asked for r in same):
        gradients = [torch.zeros_like(first.maximum)]
    afters = [r.after for r in same if r.after is not None]
    return Activation(
        first.key[0],
        first.key[1],
        first.kind,
        first.region,
        first.dtype,
        reduce(chan, (r.moments for r in same)),
        reduce(torch.maximum, (r.maximum for r in same)),
        reduce(torch.minimum, (r.minimum for r in same)),
        torch.cat([r.before for r in same]),
        torch.cat(afters) if afters else first.before.new_zeros(0),
        reduce(torch.maximum, gradients) if gradients else None,
        any(r.at_output for r in group),
        all(r.compares for r in group),
        combined([r.more for r in same]),
    )


def _one_place(m: Moments) -> Moments:
    """The same units with their places averaged (feature maps of several sizes)."""
    mean, variance, _ = unit_moments(m)
    return Moments(m.samples, 0, mean, variance * m.samples)


def merged_norms(readings: Iterable[NormReading]) -> list[NormReading]:
    """One reading for each call of a norm: batch statistics averaged over the batches."""
    sites: dict[tuple[str, int], list[NormReading]] = {}
    for reading in readings:
        sites.setdefault(reading.key, []).append(reading)
    return [_norm(group) for group in sites.values()]


def _norm(group: list[NormReading]) -> NormReading:
    first, total = group[0], sum(r.samples for r in group)
    mean = sum((r.mean.double() * (r.samples / total) for r in group), torch.zeros(()))
    variance = sum((r.variance.double() * (r.samples / total) for r in group), torch.zeros(()))
    return NormReading(
        first.key,
        first.kind,
        total,
        first.values_per_sample,
        first.eps,
        first.batch_statistics,
        mean,
        variance,
        first.running_mean,
        first.running_variance,
        first.tracked,
    )
