"""Reading what enters a norm: mean and variance of every channel, and what it knew before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from bnlint.layers.table import Kind
from bnlint.probing.observing.measure import unit_dims
from bnlint.probing.observing.readings import NormReading
from bnlint.tracing.forward import Key

Running = tuple[Tensor | None, Tensor | None]


def running(arguments: Mapping[str, Any]) -> Running:
    """The running statistics of a norm, copied before it updates them."""
    mean, variance = arguments.get("running_mean"), arguments.get("running_var")
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return None, None
    return mean.detach().clone(), variance.detach().clone()


def batches_tracked(model: nn.Module) -> dict[str, Tensor]:
    """The number of batches each norm had seen before the probe."""
    counts = ((p, getattr(m, "num_batches_tracked", None)) for p, m in model.named_modules())
    return {path: count.detach().clone() for path, count in counts if isinstance(count, Tensor)}


def norm(
    x: Tensor,
    axis: int,
    key: Key,
    kind: Kind,
    arguments: Mapping[str, Any],
    out: Tensor,
    running: Running,
    tracked: Tensor | None,
) -> NormReading:
    """The reading of what enters a norm: mean and variance of every channel over the batch."""
    eps = arguments.get("eps")
    epsilon = float(eps) if isinstance(eps, (int, float)) else 1e-5
    uses_batch = "batchnorm" in kind.tags and bool(arguments.get("training", running[0] is None))
    mean, variance = _saved(out, epsilon) if uses_batch else (None, None)
    if mean is None or variance is None:
        dims, sample = unit_dims(x.ndim, axis), x.float()
        mean = sample.mean(dims, keepdim=True)
        mean, variance = mean.reshape(-1), (sample - mean).square_().mean(dims).reshape(-1)
    values = x.numel() // (x.shape[0] * x.shape[axis]) if x.ndim > 1 else 1
    own = None if "batchnorm" in kind.tags else _of_groups(x, arguments)
    low = ((variance if own is None else own) < negligible(epsilon)).float().mean()
    return NormReading(
        key,
        kind.name,
        x.shape[0],
        values,
        epsilon,
        uses_batch,
        mean,
        variance,
        *running,
        tracked,
        low,
        _learned(arguments),
    )


def negligible(eps: float) -> float:
    """The variance below which eps decides the scale: ten eps, or eps where that is large itself.

    MobileNets have 1e-3, and ordinary variances of 1e-2, on which that has little effect.
    """
    return max(eps, min(10 * eps, 1e-4))


def _of_groups(x: Tensor, arguments: Mapping[str, Any]) -> Tensor | None:
    """The variance of each set of values that the norm puts together; None where unknown."""
    shape, groups = arguments.get("normalized_shape"), arguments.get("num_groups")
    if isinstance(shape, (tuple, list)):  # a layer norm, or of root mean squares
        return x.float().var(tuple(range(x.ndim - len(shape), x.ndim)), correction=0)
    if isinstance(groups, int):
        return x.float().reshape(x.shape[0] * groups, -1).var(1, correction=0)
    if "use_input_stats" in arguments and x.ndim > 2:
        return x.float().flatten(2).var(2, correction=0)
    return None


def _learned(arguments: Mapping[str, Any]) -> Tensor | None:
    """Whether biases differ among channels, as training leaves them; None without any.

    Weights count where there are no biases: some initializations draw them at random.
    """
    weight, bias = arguments.get("weight"), arguments.get("bias")
    learned = bias if isinstance(bias, Tensor) else weight
    if not isinstance(learned, Tensor):
        return None
    return (learned != learned.reshape(-1)[0]).any().float()


def _saved(out: Tensor, eps: float) -> tuple[Tensor | None, Tensor | None]:
    """What the batch norm itself computed and keeps for its backward, at no cost."""
    mean = getattr(out.grad_fn, "_saved_result1", None)
    deviation = getattr(out.grad_fn, "_saved_result2", None)
    if not isinstance(mean, Tensor) or not isinstance(deviation, Tensor) or not mean.numel():
        return None, None
    inverse = deviation.detach().float()
    return mean.detach().float(), (inverse.pow(-2) - eps).clamp_(min=0)
