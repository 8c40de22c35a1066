"""Taking one reading: the few small reductions per call, all on the tensor's own device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.layers.regions import region_of
from bnlint.layers.table import Kind
from bnlint.probing.observing.layout import places, raw_step, unit_dims, with_units
from bnlint.probing.observing.numbers import taken
from bnlint.probing.observing.readings import (
    ActivationReading,
    Key,
    NormReading,
    Scratch,
    largest,
    moments,
    unseen,
)

Running = tuple[Tensor | None, Tensor | None]

PASSES = ("View", "Squeeze", "Unsqueeze", "Permute", "Transpose", "Alias", "Clone", "ToCopy",
          "Select", "Slice", "Expand", "UnsafeView", "Reshape", "TBackward")  # fmt: skip


def activation(
    x: Tensor, axis: int, key: Key, kind: str, arguments: Mapping[str, Any], scratch: Scratch
) -> ActivationReading:
    """The reading of what enters an activation; two full passes, the rest on a sample."""
    x = with_units(x)
    found, raw = moments(x, axis, scratch)
    dims = unit_dims(x.ndim, axis)
    dtype = str(x.dtype).removeprefix("torch.")
    region = region_of(kind, arguments)
    top, bottom, more = x.amax(dims), x.amin(dims), taken(x, axis)
    return ActivationReading(key, kind, region, dtype, found, top, bottom, raw, more=more)


def sampled(x: Tensor, axis: int) -> Tensor:
    """Raw values at the same places where :func:`activation` took them."""
    sample = places(with_units(x), axis)
    step = raw_step(sample.numel(), with_units(x).shape[axis])
    return sample.reshape(-1)[::step].clone()


def gradient_hook(reading: ActivationReading, axis: int) -> Callable[[Tensor], None]:
    """A tensor hook that keeps the largest absolute gradient per unit and holds no tensor."""
    gradients = reading.gradients

    def keep(gradient: Tensor) -> None:
        with unseen():
            gradients.append(largest(gradient.detach(), axis))

    return keep


def become(reading: ActivationReading, kind: str) -> None:
    """Changes what a reading is of, once the next operation tells."""
    reading.kind, reading.region = kind, region_of(kind, {})


def running(arguments: Mapping[str, Any]) -> Running:
    """The running statistics that a norm was given, copied before it updates them."""
    mean, variance = arguments.get("running_mean"), arguments.get("running_var")
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return None, None
    return mean.detach().clone(), variance.detach().clone()


def batches_tracked(model: nn.Module) -> dict[str, Tensor]:
    """The number of batches each norm had seen before the probe."""
    found = {}
    for path, module in model.named_modules():
        count = getattr(module, "num_batches_tracked", None)
        if isinstance(count, Tensor):
            found[path] = count.detach().clone()
    return found


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
        mean, variance = _moments(x, axis)
    values = x.numel() // (x.shape[0] * x.shape[axis]) if x.ndim > 1 else 1
    return NormReading(
        key, kind.name, x.shape[0], values, epsilon, uses_batch, mean, variance, *running, tracked
    )


def _saved(out: Tensor, eps: float) -> tuple[Tensor | None, Tensor | None]:
    """What the batch norm itself computed and keeps for its backward, which costs nothing."""
    mean = getattr(out.grad_fn, "_saved_result1", None)
    deviation = getattr(out.grad_fn, "_saved_result2", None)
    if not isinstance(mean, Tensor) or not isinstance(deviation, Tensor) or not mean.numel():
        return None, None
    inverse = deviation.detach().float()
    return mean.detach().float(), (inverse.pow(-2) - eps).clamp_(min=0)


def _moments(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    dims = unit_dims(x.ndim, axis)
    sample = x.float()
    mean = sample.mean(dims, keepdim=True)
    return mean.reshape(-1), (sample - mean).square_().mean(dims).reshape(-1)


def origin(output: Tensor) -> Any:
    """The autograd node that made ``output``, looking through reshapes."""
    node = output.grad_fn
    while node is not None and node.name().startswith(PASSES) and node.next_functions:
        node = node.next_functions[0][0]
    return node


def closed(module: nn.Module, kind: Kind | None) -> str:
    """Why the inside of this module stays out of sight; empty when it does not."""
    if isinstance(module, torch.jit.ScriptModule):
        return "scripted: its operations do not pass through Python"
    if kind is not None and kind.name == "recurrent":
        return "fused recurrent layer: its gates run in one kernel"
    if type(module).__name__ == "OptimizedModule":
        return "compiled: its operations are fused"
    if isinstance(module, torch.fx.GraphModule) and any(
        isinstance(node.target, torch._ops.OpOverload) for node in module.graph.nodes
    ):
        return "exported: its operations do not pass through Python functions"
    return ""


def out_of_memory(error: BaseException) -> bool:
    """True for every device's way to say that memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text
    )
