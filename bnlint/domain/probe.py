"""What one probe measured and judged, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bnlint.domain.finding import Report
from bnlint.domain.probe_rows import (
    ActivationStats,
    KernelStats,
    NormStats,
    UpdateStats,
    ends,
    gradient_ratio,
)
from bnlint.domain.trials import InputStats, OutputStats, Trials


@dataclass(frozen=True, slots=True)
class NotObserved:
    """A part of the model that the probe could not look into, and why; this does not mean clean."""

    layer: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrainEvalGap:
    """The same batch in train and in eval mode, dropout off.

    ``output`` is rms(difference) over the spread between samples in train mode; ``loss`` the
    relative change of the loss.
    """

    output: float
    loss: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The loss over ``steps`` of plain gradient descent at one rate; the first value is step 0."""

    rate: float
    losses: tuple[float, ...]


AS_WRITTEN = "as-written"
"""The name of the variant that leaves the model as it is."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One arrangement of norms with the same weights: none, before, after or as-written."""

    name: str
    norms: int
    activations: tuple[ActivationStats, ...]
    kernels: tuple[KernelStats, ...]
    curves: tuple[Curve, ...]
    error: str = ""

    def equals(self, other: Variant) -> bool:
        """True where this arrangement has the losses, or without any the signal, of the other."""
        if self.error or other.error or self.norms != other.norms:
            return False
        own, others = (
            [x for c in v.curves for x in c.losses] or [v.signal or 0.0, v.dead or 0.0]
            for v in (self, other)
        )
        return len(own) == len(others) and all(map(_alike, own, others))

    @property
    def signal(self) -> float | None:
        """The smallest signal of its activations; None without any."""
        return min((a.signal for a in self.activations if a.signal is not None), default=None)

    @property
    def dead(self) -> float | None:
        """The mean share of dead units of its activations; None without any."""
        found = [a.dead for a in self.activations if a.dead is not None]
        return sum(found) / len(found) if found else None


def _alike(a: float, b: float) -> bool:
    both_nan = math.isnan(a) and math.isnan(b)
    return both_nan or math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The counterfactual: every variant on the same weights, batch, seed and objective.

    ``distinct`` are the variants to show. ``signed`` is the loss of the model as written over steps
    of one size in the direction of the gradient's sign, where no rate made any loss fall.
    """

    variants: tuple[Variant, ...]
    steps: int
    samples: int
    objective: str
    seed: int
    signed: Curve | None = None

    @property
    def distinct(self) -> tuple[tuple[str, Variant], ...]:
        """Each variant with the name to show; the model as written is not repeated.

        Where it is the same as another variant, that one's name says so.
        """
        written = next((v for v in self.variants if v.name == AS_WRITTEN), None)
        others = [v for v in self.variants if v is not written]
        same = next((v for v in others if written is not None and written.equals(v)), None)
        named = [(f"{v.name} (as written)" if v is same else v.name, v) for v in others]
        if written is not None and same is None:
            named.append((written.name, written))
        return tuple(named)

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates at which every variant that ran was trained."""
        return tuple(c.rate for c in next((v.curves for v in self.variants if v.curves), ()))


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Everything that one probe measured and judged.

    ``objective`` names the loss that the gradient is of. ``source`` is user, file or synthetic.
    ``notes`` say what the run changed by itself (a halved batch, a copied model). ``biases`` maps
    the kernels of redundant-bias findings (:func:`call_name`) to the relative change of the output
    when the bias changes. ``trials`` holds what the extra passes found, ``inputs`` and ``outputs``
    what entered and left the model. ``untrained`` is true if the probe itself built the model.
    ``updates`` are those of a watched training.
    """

    model: str
    device: str
    dtype: str
    samples: int
    batches: int
    source: str
    objective: str
    loss: float | None
    activations: tuple[ActivationStats, ...]
    norms: tuple[NormStats, ...]
    kernels: tuple[KernelStats, ...]
    not_observable: tuple[NotObserved, ...] = ()
    notes: tuple[str, ...] = ()
    gap: TrainEvalGap | None = None
    batch_noise: float | None = None
    batch_size: int | None = None
    biases: Mapping[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None
    report: Report = field(default_factory=Report)
    inputs: tuple[InputStats, ...] = ()
    outputs: tuple[OutputStats, ...] = ()
    trials: Trials = field(default_factory=Trials)
    untrained: bool = False
    updates: tuple[UpdateStats, ...] = ()

    @property
    def gradient_ratio(self) -> float | None:
        """norm(grad)/norm(weight) of the first kernel over that of the last, or None."""
        return gradient_ratio(self.kernels)

    @property
    def sensitivity_ratio(self) -> float | None:
        """norm(grad) x norm(weight) of the first kernel over that of the last, or None.

        Unlike :attr:`gradient_ratio` it does not depend on the scale of the weights.
        """
        found = ends(self.kernels)
        first, last = (k.sensitivity for k in found) if found else (None, None)
        if first is None or last is None:
            return None
        return first / last if last else self.gradient_ratio
