"""What the probe measured of one call or layer, as plain data: activations, norms, kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bnlint.domain.graph import Location
from bnlint.domain.trials import CallSite


@dataclass(frozen=True, slots=True)
class ActivationStats:
    """One call of one activation; shares are of its units, or of its values where noted.

    ``layer`` is its name in the traced graph, ``call`` counts its calls in one forward from 0.
    ``samples`` counts batch entries, ``units`` channels. ``mean`` and ``std`` are of the
    pre-activation over units, samples and space; ``minimum`` and ``maximum`` are exact. ``dead``,
    ``always_on`` and ``frozen`` are exact shares of units; ``inactive`` and ``saturated`` are
    shares of values, from a strided sample; None if the activation has no such region. ``signal``
    is the spread between samples over the root mean square; None if there are no samples to compare
    (a table of positions). ``gradient`` is the largest absolute gradient at the pre-activation,
    None if there was no backward. ``at_output`` is true if the model returns its result.
    ``before`` and ``after`` are sampled values on either side, for the ridge picture. ``largest``
    is the largest finite magnitude. ``more`` holds the numbers of ``probing.observing.numbers``.
    ``order`` counts the calls of a forward, ``fed_by`` is the conv/linear layer before it, and
    ``location`` the user's line. ``is_gate`` is true if its result multiplies something else,
    ``pooled`` if space was averaged away before it, ``identical`` if all its units hold the same
    values, ``sampled`` if mean, deviation and signal are estimates from a sample of its places.
    """

    layer: str
    kind: str
    call: int
    samples: int
    units: int
    mean: float
    std: float
    minimum: float
    maximum: float
    largest: float
    dead: float | None
    always_on: float | None
    inactive: float | None
    saturated: float | None
    signal: float | None
    gradient: float | None
    finite: bool
    gradient_finite: bool
    dtype: str
    at_output: bool = False
    dead_units: tuple[int, ...] = ()
    always_on_units: tuple[int, ...] = ()
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    more: Mapping[str, float | None] = field(default_factory=dict)
    order: int = 0
    fed_by: str = ""
    location: Location | None = None
    is_gate: bool = False
    pooled: bool = False
    identical: bool = False
    sampled: bool = False

    @property
    def spread(self) -> float | None:
        """The standard deviation between samples; None where there are none to compare."""
        return None if self.signal is None else self.signal * math.hypot(self.mean, self.std)

    @property
    def frozen(self) -> float | None:
        """The share of units that never switch: dead or always on."""
        if self.dead is None or self.always_on is None:
            return None
        return self.dead + self.always_on


@dataclass(frozen=True, slots=True)
class NormStats:
    """One call of one norm, compared with the statistics of the batch that entered it.

    ``low_variance`` is the share of channels (of groups, where the norm has some) whose variance is
    under ten eps. ``drift_mean`` is
    the median over channels of abs(running mean - batch mean) / sigma, ``drift_variance`` that of
    abs(log2(running variance / batch variance)); None without running statistics. ``tracked`` is
    ``num_batches_tracked``. ``values_per_sample`` is 1 if a batch of one sample would raise an
    error. ``call_distance`` is the largest distance to another call of the same norm in one
    forward, abs(mean difference) / sigma; None for a single call. ``learned`` is true if its weight
    or bias is no longer the initial one. ``order``, ``location`` and ``pooled`` are as for
    activations.
    """

    layer: str
    kind: str
    call: int
    channels: int
    samples: int
    eps: float
    mean: float
    std: float
    batch_statistics: bool
    values_per_sample: int
    low_variance: float
    drift_mean: float | None = None
    drift_variance: float | None = None
    tracked: int | None = None
    call_distance: float | None = None
    learned: bool = False
    order: int = 0
    location: Location | None = None
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class KernelStats:
    """One kernel, in the order of first calls; ``gradient`` is its norm, rms over the batches.

    ``gradient`` is None for a frozen weight (not ``trainable``) and without a backward. Kernels of
    the same ``stage`` read the same tensor (the projections of an attention); 0 means unknown.
    ``call`` is the first call of its layer that used it, from 0. ``identical`` is true if the
    weights of all its units are the same. ``order`` and ``location`` are as for activations.
    """

    layer: str
    kind: str
    weight_norm: float
    gradient: float | None
    trainable: bool = True
    stage: int = 0
    call: int = 0
    identical: bool = False
    order: int = 0
    location: Location | None = None

    @property
    def sensitivity(self) -> float | None:
        """norm(gradient) x norm(weight): what a relative change of the weight does to the loss.

        It does not depend on the scale of the weights: behind a norm the gradient falls as one over
        the weight.
        """
        return None if self.gradient is None else self.gradient * self.weight_norm

    @property
    def ratio(self) -> float | None:
        """norm(gradient) / norm(weight), or None if either is missing."""
        if self.gradient is None or self.weight_norm == 0:
            return None
        return self.gradient / self.weight_norm


@dataclass(frozen=True, slots=True)
class UpdateStats:
    """One trainable parameter of a watched training, before and after a step of the optimizer.

    ``ratio`` is norm(step) / norm(weight), from a sample of entries unless ``exact``; None for a
    weight that was zero. ``unchanged`` counts the observed steps in a row that left it as it was.
    ``in_optimizer`` is None where no optimizer of torch was seen.
    """

    layer: str
    parameter: str
    dimensions: int
    exact: bool
    ratio: float | None
    unchanged: int = 0
    in_optimizer: bool | None = None
    call: int = 0

    @property
    def name(self) -> str:
        """The parameter's name in the model."""
        return f"{self.layer}.{self.parameter}" if self.layer else self.parameter


Row = ActivationStats | NormStats | KernelStats | UpdateStats
"""What was measured of one layer or one call."""

Where = Row | CallSite
"""What a verdict can be about: a measured row, or another place in the forward."""


def site_name(layer: str, call: int) -> str:
    """The layer, with ``#2`` for its second call in a forward."""
    return f"{layer}#{call + 1}" if call else layer


def shown_name(row: Row) -> str:
    """How tables and pictures name a call: ``layers.2 -> relu`` where a function makes it."""
    fed_by: str = getattr(row, "fed_by", "")
    if not row.layer.endswith("()"):
        return site_name(row.layer, row.call)
    module, _, function = row.layer.removesuffix("()").rpartition(".")
    again = f" #{row.call + 1}" if row.call and not fed_by else ""
    source = fed_by or module
    return f"{source} -> {function}{again}" if source else f"{function}{again}"


def call_name(layer: str, call: int) -> str:
    """A kernel's layer; a function has a name for each of its calls."""
    return site_name(layer, call) if layer.endswith("()") else layer


def gradient_ratio(kernels: Sequence[KernelStats]) -> float | None:
    """The ratio of the first kernel over that of the last; None with fewer than two measured.

    Also None if both are zero and a trainable kernel starts at zero (a head): no gradient passes
    at the first step then, by design.
    """
    found = ends(kernels)
    first, last = (k.ratio for k in found) if found else (None, None)
    if first is None or last is None:
        return None
    if last == 0:
        by_design = any(k.trainable and k.weight_norm == 0 for k in kernels)
        return 0.0 if first == 0 and not by_design else None
    return first / last


def ends(kernels: Sequence[KernelStats]) -> tuple[KernelStats, KernelStats] | None:
    """The first and the last kernel with a measured ratio; None if there are not two.

    Of kernels that read the same tensor the largest ratio counts: the gradient of a query passes a
    softmax, and does not show what comes back through the key and the value.
    """
    measured = [k for k in kernels if k.ratio is not None]
    if not measured:
        return None

    def strongest(like: KernelStats) -> KernelStats:
        beside = [k for k in measured if k is like or (k.stage and k.stage == like.stage)]
        return max(beside, key=lambda k: k.ratio or 0.0)

    first, last = strongest(measured[0]), strongest(measured[-1])
    return None if first is last else (first, last)
