"""Merged readings as the plain data of ``domain.probe_rows``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats, KernelStats, NormStats
from bnlint.layers.regions import Region
from bnlint.probing.observing.merging import (
    exact_figures,
    merged_activation,
    merged_norm,
    unit_moments,
)
from bnlint.probing.observing.numbers import finished
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import (
    ActivationReading,
    KernelReading,
    NormReading,
)

KEPT = 1000
"""Raw values kept per activation for the pictures."""

R = TypeVar("R", ActivationReading, NormReading)


def measured(model: nn.Module, seen: Observer, **about: Any) -> ProbeResult:
    """What an observer read, on the host by now, as rows; ``about`` are the other fields."""
    norms = [merged_norm(group) for group in _sites(seen.norms)]
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
        _activation_row(merged_activation(group), exact_figures(group))
        for group in _sites(seen.activations)
    )


def kernel_rows(seen: Observer) -> tuple[KernelStats, ...]:
    """The rows of the kernel table: root mean square over batches of the gradient's norm."""
    return tuple(_kernel_row(reading) for reading in seen.kernels.values())


def _sites(readings: Iterable[R]) -> list[list[R]]:
    sites: dict[tuple[str, int], list[R]] = {}
    for reading in readings:
        sites.setdefault(reading.key, []).append(reading)
    return list(sites.values())


def _figures(a: ActivationReading) -> tuple[float, float, float]:
    """Mean, deviation and spread between samples from the moments."""
    unit_mean, variance, within = unit_moments(a.moments)
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
