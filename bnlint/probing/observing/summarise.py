"""Merged readings to the plain data of ``domain.probe``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from bnlint.domain.probe import ActivationStats, KernelStats, NormStats
from bnlint.layers.regions import Region
from bnlint.probing.observing.numbers import finished
from bnlint.probing.observing.readings import (
    KernelReading,
    MergedActivation,
    NormReading,
    unit_moments,
)

KEPT = 1000
"""Raw values kept per activation for the pictures."""


def activation_stats(a: MergedActivation) -> ActivationStats:
    """One row of the activation table."""
    unit_mean, variance, within = unit_moments(a.moments)
    mean = unit_mean.mean()
    spread = (variance + (unit_mean - mean).square()).mean().sqrt()
    rms = (variance + unit_mean.square()).mean().sqrt()
    dead, always_on = _stuck(a)
    in_region = _share(a.before, a.region)
    extremes = torch.stack([a.maximum.abs(), a.minimum.abs()])
    return ActivationStats(
        layer=a.layer,
        kind=a.kind,
        call=a.call,
        samples=a.moments.samples,
        units=a.maximum.numel(),
        mean=float(mean),
        std=float(spread),
        minimum=float(a.minimum.min()),
        maximum=float(a.maximum.max()),
        largest=_largest_finite(extremes),
        dead=None if dead is None else len(dead) / a.maximum.numel(),
        always_on=None if always_on is None else len(always_on) / a.maximum.numel(),
        inactive=None if a.region.saturating else in_region,
        saturated=in_region if a.region.saturating else None,
        signal=_signal(within, rms) if a.compares else None,
        gradient=None if a.gradient is None else float(a.gradient.max()),
        finite=bool(extremes.isfinite().all()),
        gradient_finite=a.gradient is None or bool(a.gradient.isfinite().all()),
        dtype=a.dtype,
        at_output=a.at_output,
        dead_units=dead or (),
        always_on_units=always_on or (),
        before=_thinned(a.before),
        after=_thinned(a.after),
        more=finished(a),
    )


def _signal(within: Tensor, rms: Tensor) -> float | None:
    """The spread between samples over their size; 0 if all is zero, None if it is not finite."""
    signal = 0.0 if rms == 0 else float(within.mean().sqrt() / rms)
    return signal if math.isfinite(signal) else None


def _stuck(a: MergedActivation) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """The units that never pass gradient, and those that always do; None without such a region."""
    region = a.region
    if not region.exact:
        return None, None
    dead = torch.zeros_like(a.maximum, dtype=torch.bool)
    on = torch.ones_like(dead)
    if region.low is not None:
        dead |= a.maximum <= region.low
        on &= a.minimum > region.low
    if region.high is not None:
        dead |= a.minimum >= region.high
        on &= a.maximum < region.high
    if a.gradient is not None and a.gradient.shape == dead.shape:
        dead &= a.gradient == 0
    return tuple(dead.nonzero().flatten().tolist()), tuple(on.nonzero().flatten().tolist())


def _share(values: Tensor, region: Region) -> float | None:
    """The share of values in the inactive region; None where there is no such region."""
    if region.low is None and region.high is None:
        return None
    inside = torch.zeros_like(values, dtype=torch.bool)
    if region.low is not None:
        inside |= values <= region.low
    if region.high is not None:
        inside |= values >= region.high
    return float(inside.float().mean())


def _largest_finite(values: Tensor) -> float:
    finite = values[values.isfinite()]
    return float(finite.max()) if finite.numel() else math.inf


def _thinned(values: Tensor) -> tuple[float, ...]:
    step = max(1, math.ceil(values.numel() / KEPT))
    return tuple(round(v, 6) for v in values[::step].tolist())


def norm_stats(readings: Sequence[NormReading]) -> tuple[NormStats, ...]:
    """The rows of the norm table; calls of one norm are compared with each other."""
    layers: dict[str, list[NormReading]] = {}
    for reading in readings:
        layers.setdefault(reading.key[0], []).append(reading)
    return tuple(_norm_row(r, layers[r.key[0]]) for r in readings)


def _norm_row(r: NormReading, calls: Iterable[NormReading]) -> NormStats:
    drift_mean, drift_variance = _drift(r)
    others = [o for o in calls if o is not r and o.mean.shape == r.mean.shape]
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
        low_variance=float((variance < 10 * r.eps).double().mean()),
        drift_mean=drift_mean,
        drift_variance=drift_variance,
        tracked=None if r.tracked is None else int(r.tracked),
        call_distance=max((_distance(r, o) for o in others), default=None),
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


def kernel_stats(readings: Iterable[KernelReading]) -> tuple[KernelStats, ...]:
    """The rows of the kernel table: root mean square over batches of the gradient's norm."""
    return tuple(_kernel_row(r) for r in readings)


def _kernel_row(r: KernelReading) -> KernelStats:
    gradient = None
    if r.norms:
        gradient = float(torch.stack(r.norms).double().square().mean().sqrt())
    weight = float("nan") if r.weight_norm is None else float(r.weight_norm)
    return KernelStats(r.layer, r.kind, weight, gradient, r.trainable, r.stage)
