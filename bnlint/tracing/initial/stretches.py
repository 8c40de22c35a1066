"""Stretches of a network without norms and branches, and how they scale a signal.

Mean-field theory applies to such a stretch: kernels, activations and pools, each of which reads
only the previous one. It ends at a norm, which rescales the signal, and at merges and unknown
operations, which the theory does not cover.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from bnlint.layers.calls import Call, replace_refs
from bnlint.layers.table import Kind, having
from bnlint.tracing.describing import layer_name
from bnlint.tracing.initial.meanfield import (
    Activated,
    SignalMoments,
    Units,
    largest_of,
    mean_of,
    through_function,
    through_kernel,
    through_rectifier,
)
from bnlint.tracing.shapes import invoke
from bnlint.tracing.tracers import Record

FOLLOWED = having("within", "theory")
SAMPLES = 256
"""Batch size for which a gradient is predicted."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The real weights of a kernel: a row for each unit; ``inputs`` counts its channels in."""

    rows: torch.Tensor
    bias: torch.Tensor | None
    inputs: int
    transposed: bool = False
    norms: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "norms", torch.linalg.vector_norm(self.rows.float(), dim=1))

    @property
    def square(self) -> float:
        """The sum of squares of all weights."""
        return float(self.norms.double().square().sum())


@dataclass(slots=True)
class Step:
    """One operation of a stretch, with what the passes forward and back find out about it.

    ``entering`` and ``leaving`` are the numbers of positions of the feature map before and after
    it; 1 for vectors and unknown shapes.
    """

    call: Call
    kind: Kind
    weights: Weights | None = None
    entering: int = 1
    leaving: int = 1
    before: SignalMoments = field(default_factory=SignalMoments)
    units: Units | None = None
    activated: Activated | None = None

    @property
    def shrinks(self) -> float:
        """The number of positions after it for each position before it."""
        return self.leaving / self.entering


@dataclass(frozen=True, slots=True)
class Prediction:
    """How a stretch of ``kernels`` kernels that starts at the layer ``first`` scales a signal.

    ``scale`` is the root mean square of the last kernel's output over that of the input.
    ``signal`` is the standard deviation between samples of that output, relative to its root mean
    square. ``gradient`` is norm(gradient) / norm(weight) of the first kernel, relative to that of
    the last; ``sensitivity`` is the same of norm(gradient) x norm(weight), which the scale of the
    weights does not change.
    """

    first: str
    kernels: int
    scale: float
    signal: float
    gradient: float
    sensitivity: float


def stretches(
    record: Record, kind_of: Callable[[Call], Kind | None], weights: Mapping[str, Weights]
) -> Iterator[list[Step]]:
    """The longest runs of calls that the theory covers, each with at least one kernel."""
    readers = _count_readers(record)
    values = {call.id: call.value for call in record.calls}
    runs: dict[str, list[Step]] = {}
    for call in record.calls:
        kind, sources = kind_of(call), [ref.id for ref in call.refs()]
        if kind is None or len(sources) != 1 or not _is_followed(call, kind, weights):
            continue
        run = runs.pop(sources[0], []) if readers[sources[0]] == 1 else []
        step = Step(call, kind, weights.get(call.id))
        _count_positions(step, run, values.get(sources[0]))
        run.append(step)
        runs[call.id] = run
    yield from (run for run in runs.values() if any(step.weights for step in run))


def _count_readers(record: Record) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys((call.id for call in record.calls), 0)
    read = [ref for call in record.calls if call.role != "number" for ref in call.refs()]
    for ref in (*read, *record.outputs):
        counts[ref.id] = counts.get(ref.id, 0) + 1
    return counts


def _is_followed(call: Call, kind: Kind, weights: Mapping[str, Weights]) -> bool:
    if call.role != "op":
        return False
    if "kernel" in kind.tags:
        return call.id in weights
    return not kind.tags.isdisjoint(FOLLOWED)


def _count_positions(step: Step, run: Sequence[Step], source: Any) -> None:
    """Derive the positions before and after a step from the sizes of the values and channels."""
    before, after = _size(source), _size(step.call.value)
    if not before or not after:
        return
    width = next((len(s.weights.rows) for s in reversed(run) if s.weights is not None), 0)
    if step.weights is not None:
        step.entering = max(before // step.weights.inputs, 1)
        step.leaving = max(after // len(step.weights.rows), 1)
        if run and run[-1].leaving == 1:
            step.entering = 1
    elif width:
        step.entering = run[-1].leaving
        flat = step.call.value.ndim == 2
        step.leaving = 1 if flat else max(after // width, 1)


def _size(value: Any) -> int:
    """The number of elements of one sample of a traced value; 0 if unknown."""
    if not isinstance(value, torch.Tensor) or value.ndim < 2:
        return 0
    return math.prod(value.shape[1:])


def propagate(run: Sequence[Step], start: SignalMoments) -> None:
    """Fill in the moments before and after each step; those before the first are ``start``."""
    x, units = start, None
    for step in run:
        step.before = x
        if step.weights is not None:
            units = step.units = _spread_out(step, step.weights)
            x = units.moments()
        elif "activation" in step.kind.tags:
            step.activated = _activate(step, units or _as_units(x))
            x, units = step.activated.moments, None
        elif "pooling" in step.kind.tags:
            count = _window(step)
            x = largest_of(x, count) if step.kind.name == "maxpool" else mean_of(x, count)
            units = None


def _spread_out(step: Step, weights: Weights) -> Units:
    units = through_kernel(weights.rows, weights.bias, step.before)
    if not weights.transposed:
        return units
    share = min(1 / step.shrinks, 1.0)  # each output uses only a part of the taps
    return replace(units, vague=units.vague * share, spread=units.spread * share)


def _as_units(x: SignalMoments) -> Units:
    """The moments of an input as a single unit."""
    center = torch.tensor([x.mean], dtype=torch.float64)
    return Units(center, center * 0 + max(x.shared - x.mean**2, 0.0), center * 0 + x.spread)


def _activate(step: Step, units: Units) -> Activated:
    if step.kind.name == "relu":
        return through_rectifier(units)
    if step.kind.name == "leakyrelu":
        slope = getattr(step.call.target, "negative_slope", 0.01)
        return through_rectifier(units, slope if isinstance(slope, float) else 0.01)
    return through_function(units, lambda z: _applied(step.call, z))


def _applied(call: Call, z: torch.Tensor) -> torch.Tensor:
    args = replace_refs(call.args, lambda _: z.clone())
    kwargs = replace_refs(call.kwargs, lambda _: z.clone())
    result: torch.Tensor = invoke(call.target, args, kwargs)
    return result


def _window(step: Step) -> int:
    """The number of positions that a pool combines, from its kernel size or else its shapes."""
    size = getattr(step.call.target, "kernel_size", None)
    if isinstance(size, tuple):
        return math.prod(size)
    if isinstance(size, int):
        return int(size ** max(getattr(step.call.value, "ndim", 4) - 2, 1))
    return max(round(1 / step.shrinks), 1)


def predict(run: Sequence[Step], *, to_loss: bool) -> Prediction | None:
    """How a stretch scales signal and gradient; None if it has fewer than two kernels.

    Also None if a kernel is initialized to zero: that is intended, and the first step changes it.
    ``to_loss``: the stretch ends in an output of the model, to which a loss is applied.
    """
    kernels = [step for step in run if step.weights is not None]
    if len(kernels) < 2 or any(s.weights is not None and s.weights.square == 0 for s in kernels):
        return None
    after = kernels[-1].units.moments() if kernels[-1].units else SignalMoments()
    alike = _alike(kernels[-1], after) if to_loss else 0.0
    sizes = _gradients(run[: run.index(kernels[-1]) + 1], alike)
    gradient = sizes[-1] / sizes[0] if sizes[0] > 0 else 0.0
    first, *_, last = (s.weights.square for s in kernels if s.weights is not None)
    return Prediction(
        layer_name(kernels[0].call),
        len(kernels),
        math.sqrt(after.total / run[0].before.total),
        math.sqrt(after.spread / after.total) if after.total > 0 else 0.0,
        gradient,
        gradient * first / last,
    )


def _alike(last: Step, after: SignalMoments) -> float:
    """The share of the loss's gradient that is the same for all samples.

    The outputs of a random network favour some classes for every sample; a cross-entropy pushes
    these down. To first order the share is the outputs' shared variance over their number.
    """
    assert last.weights is not None
    favour = max(after.shared - after.mean**2, 0.0)
    return favour / (favour + len(last.weights.rows)) if last.leaving == 1 else 0.0


def _gradients(run: Sequence[Step], alike: float) -> list[float]:
    """norm(gradient) / norm(weight) of each kernel from last to first, up to a common factor.

    ``each`` is the mean square of the gradient of a value, ``common`` that of its mean over a
    feature map, ``alike`` that of its mean over samples.
    """
    found: list[float] = []
    each = common = 1.0
    for step in reversed(run):
        if step.weights is not None:
            n, x, square = step.leaving, step.before, step.weights.square + 1e-300
            weight = n * each * x.total + n * (n - 1) * common * x.shared
            weight += SAMPLES * n**2 * alike * x.shared
            found.append(math.sqrt(weight * step.weights.rows.numel() / square))
            back = square / step.weights.inputs
            shrinks = 1.0 if step.weights.transposed else step.shrinks
            each, common = each * back * shrinks, common * back * shrinks**2
            alike *= back * shrinks**2
        elif step.activated is not None:
            each, common = each * step.activated.slope, common * step.activated.shared_slope
            alike *= step.activated.shared_slope
        elif "pooling" in step.kind.tags:
            shared_by = 1 if step.kind.name == "maxpool" else _window(step)
            each, common = each * step.shrinks / shared_by, common * step.shrinks**2
            alike *= step.shrinks**2
        elif step.leaving < step.entering:  # a flatten: each position now has its own gradient
            common, alike = each / step.entering, alike / step.entering
    return found
