"""Readings of many batches merged, and as the plain data of ``domain.probe``.

They are merged on the host in double precision by Chan's formula. Source: Chan, Golub and LeVeque,
"Updating formulae and a pairwise algorithm for computing sample variances" (1979).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bnlint.domain.probe import ActivationStats, KernelStats, NormStats, ProbeResult
from bnlint.layers.regions import Region
from bnlint.probing.observing.measure import unit_dims
from bnlint.probing.observing.numbers import combined, finished
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import (
    ActivationReading,
    KernelReading,
    NormReading,
    SampleMoments,
)

DIGITS = 1e-4
"""Below this share of the mean square, sums in single precision are not exact any more."""

KEPT = 1000
"""Raw values kept per activation for the pictures."""

R = TypeVar("R", ActivationReading, NormReading)


def measured(model: nn.Module, seen: Observer, **about: Any) -> ProbeResult:
    """What an observer read, on the host by now, as rows; ``about`` are the other fields."""
    norms = [_merged_norm(group) for group in _sites(seen.norms)]
    return ProbeResult(
        model=type(model).__name__,
        activations=activation_rows(seen),
        norms=tuple(_norm_row(reading, norms) for reading in norms),
        kernels=kernel_rows(seen),
        not_observable=seen.not_observable,
        **about,
    )


def activation_rows(seen: Observer) -> tuple[ActivationStats, ...]:
    """The rows of the activation table: one for each call, in the order of first readings."""
    return tuple(
        _activation_row(_merged(group), _exact(group)) for group in _sites(seen.activations)
    )


def kernel_rows(seen: Observer) -> tuple[KernelStats, ...]:
    """The rows of the kernel table: root mean square over batches of the gradient's norm."""
    return tuple(_kernel_row(reading) for reading in seen.kernels.values())


def _sites(readings: Iterable[R]) -> list[list[R]]:
    sites: dict[tuple[str, int], list[R]] = {}
    for reading in readings:
        sites.setdefault(reading.key, []).append(reading)
    return list(sites.values())


def _merged(group: list[ActivationReading]) -> ActivationReading:
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


def _exact(group: list[ActivationReading]) -> tuple[float, float, float] | None:
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
    parts = sum(float(_unit_moments(m)[2].mean()) * m.samples for m in batches) / total
    whole = float(_unit_moments(reduce(_chan, batches))[2].mean())
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
    mean, variance, _ = _unit_moments(m)
    return SampleMoments(m.samples, 0, mean, variance * m.samples)


def _unit_moments(m: SampleMoments) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance, and variance between samples at one place, all per unit."""
    dims = unit_dims(m.mean.ndim, m.axis)
    means, spread = m.mean.double(), m.deviations.double() / m.samples
    if not dims:
        return means, spread, spread
    mean = means.mean(dims, keepdim=True)
    between_places = (means - mean).square().mean(dims)
    within = spread.mean(dims)
    return mean.reshape(-1), within + between_places, within


def _merged_norm(group: list[NormReading]) -> NormReading:
    total = sum(r.samples for r in group)
    lows = [r.low * (r.samples / total) for r in group if r.low is not None]
    mean = sum((r.mean.double() * (r.samples / total) for r in group), torch.zeros(()))
    variance = sum((r.variance.double() * (r.samples / total) for r in group), torch.zeros(()))
    low = torch.stack(lows).sum() if len(lows) == len(group) else None
    if group[0].batch_statistics or low is None:  # of the whole, which is exact
        low = (variance < 10 * group[0].eps).double().mean()
    return replace(group[0], samples=total, mean=mean, variance=variance, low=low)


def _figures(a: ActivationReading) -> tuple[float, float, float]:
    """Mean, deviation and spread between samples from the moments."""
    unit_mean, variance, within = _unit_moments(a.moments)
    mean = unit_mean.mean()
    deviation = (variance + (unit_mean - mean).square()).mean().sqrt()
    return float(mean), float(deviation), float(within.mean().sqrt())


def _activation_row(
    a: ActivationReading, exact: tuple[float, float, float] | None
) -> ActivationStats:
    mean, deviation, within = exact or _figures(a)
    gradient = a.gradients[0] if a.gradients else None
    dead, always_on = _stuck(a, gradient)
    in_region = _share(a.before, a.region)
    extremes = torch.stack([a.maximum.abs(), a.minimum.abs()])
    row = ActivationStats(
        *(a.key[0], a.kind, a.key[1], a.moments.samples, a.maximum.numel(), mean, deviation),
        minimum=float(a.minimum.min()),
        maximum=float(a.maximum.max()),
        largest=_largest_finite(extremes),
        dead=None if dead is None else len(dead) / a.maximum.numel(),
        always_on=None if always_on is None else len(always_on) / a.maximum.numel(),
        inactive=None if a.region.saturating else in_region,
        saturated=in_region if a.region.saturating else None,
        signal=_signal(within, math.hypot(mean, deviation)) if a.compares else None,
        gradient=None if gradient is None else float(gradient.max()),
        finite=bool(extremes.isfinite().all()),
        gradient_finite=gradient is None or bool(gradient.isfinite().all()),
        dtype=a.dtype,
        dead_units=dead or (),
        always_on_units=always_on or (),
    )
    return _placed(row, a, sampled=exact is None and a.whole is not None)


def _placed(row: ActivationStats, a: ActivationReading, sampled: bool) -> ActivationStats:
    """The row with what the call does in its model, and with samples of its values."""
    return replace(
        row,
        at_output=a.at_output,
        before=_thinned(a.before),
        after=_thinned(a.after) if a.after is not None else (),
        more=finished(a),
        order=a.turn.order,
        fed_by=a.turn.fed_by,
        location=a.turn.location,
        is_gate=a.is_gate,
        pooled=a.turn.pooled,
        identical=_identical(a),
        sampled=sampled,
    )


def _identical(a: ActivationReading) -> bool:
    """Whether all units reach the same extremes, between which they vary."""
    ends = (a.maximum, a.minimum)
    same = all(bool((end == end[0]).all()) for end in ends)
    return a.maximum.numel() > 1 and same and bool(a.maximum[0] > a.minimum[0])


def _signal(within: float, rms: float) -> float | None:
    """The spread between samples over their size; 0 if all is zero, None if it is not finite."""
    signal = 0.0 if rms == 0 else within / rms
    return signal if math.isfinite(signal) else None


def _stuck(
    a: ActivationReading, gradient: Tensor | None
) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """The units that never pass gradient, and those that always do; None without such a region."""
    region = a.region
    if not region.exact:
        return None, None
    dead = _inside(region, a.maximum, a.minimum)
    on = torch.ones_like(dead)
    if region.low is not None:
        on &= a.minimum > region.low
    if region.high is not None:
        on &= a.maximum < region.high
    if gradient is not None and gradient.shape == dead.shape:
        dead &= gradient == 0
    return tuple(dead.nonzero().flatten().tolist()), tuple(on.nonzero().flatten().tolist())


def _share(values: Tensor, region: Region) -> float | None:
    if region.low is None and region.high is None:
        return None
    return float(_inside(region, values, values).float().mean())


def _inside(region: Region, top: Tensor, bottom: Tensor) -> Tensor:
    """Where all values from ``bottom`` to ``top`` are on one side of the region's bounds."""
    inside = torch.zeros_like(top, dtype=torch.bool)
    if region.low is not None:
        inside |= top <= region.low
    if region.high is not None:
        inside |= bottom >= region.high
    return inside


def _largest_finite(values: Tensor) -> float:
    finite = values[values.isfinite()]
    return float(finite.max()) if finite.numel() else math.inf


def _thinned(values: Tensor) -> tuple[float, ...]:
    step = max(1, math.ceil(values.numel() / KEPT))
    return tuple(round(v, 6) for v in values[::step].tolist())


def _norm_row(r: NormReading, readings: Iterable[NormReading]) -> NormStats:
    """One row of the norm table; calls of one norm are compared with each other."""
    drift_mean, drift_variance = _drift(r)
    calls = (o for o in readings if o.key[0] == r.key[0] and o is not r)
    others = [o for o in calls if o.mean.shape == r.mean.shape]
    variance = r.variance.double()
    rms = (variance + (r.mean - r.mean.mean()).double().square()).mean().sqrt()
    return NormStats(
        layer=r.key[0],
        kind=r.kind,
        call=r.key[1],
        channels=r.mean.numel(),
        samples=r.samples,
        eps=r.eps,
        mean=float(r.mean.mean()),
        std=float(rms),
        batch_statistics=r.batch_statistics,
        values_per_sample=r.values_per_sample,
        low_variance=0.0 if r.low is None else float(r.low),
        drift_mean=drift_mean,
        drift_variance=drift_variance,
        tracked=None if r.tracked is None else int(r.tracked),
        call_distance=max((_distance(r, o) for o in others), default=None),
        learned=r.learned is not None and bool(r.learned),
        order=r.turn.order,
        location=r.turn.location,
        pooled=r.turn.pooled,
    )


def _drift(r: NormReading) -> tuple[float | None, float | None]:
    """Medians over channels: a few constant channels do not change them."""
    if r.running_mean is None or r.running_variance is None:
        return None, None
    running = r.running_variance.double().clamp(min=1e-30)
    shift = (r.running_mean.double() - r.mean.double()).abs() / running.sqrt()
    ratio = (running / r.variance.double().clamp(min=1e-30)).log2().abs()
    return float(shift.median()), float(ratio.median())


def _distance(a: NormReading, b: NormReading) -> float:
    """Median over channels of abs(mean difference) over the pooled standard deviation."""
    pooled = ((a.variance.double() + b.variance.double()) / 2 + a.eps).sqrt()
    return float(((a.mean.double() - b.mean.double()).abs() / pooled).median())


def _kernel_row(r: KernelReading) -> KernelStats:
    gradient = float(torch.stack(r.norms).double().square().mean().sqrt()) if r.norms else None
    weight = math.nan if r.weight_norm is None else float(r.weight_norm)
    return KernelStats(
        *(r.layer, r.kind, weight, gradient, r.trainable, r.stage, r.call),
        identical=r.identical is not None and bool(r.identical),
        order=r.turn.order,
        location=r.turn.location,
    )
