"""What the gradient is of: the user's loss, or one drawn so that no direction is favored.

A sum or mean of the outputs has the same cotangent for every sample: a norm projects that direction
out, and the gradient seems to vanish by decades. So without a loss the probe takes random labels
or an independent random projection per sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bnlint.domain.errors import ProbeError
from bnlint.probing.observing.layout import Layouts
from bnlint.tracing.nested import tensors

Loss = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Objective:
    """A scalar of outputs and targets, and its name for the report.

    Random labels and projections come from ``seed`` alone, so two calls on one batch agree.
    """

    loss: Loss | None = None
    seed: int = 0

    def value(self, outputs: Any, targets: Any, layouts: Layouts) -> tuple[Tensor, str]:
        """The loss of these outputs, and what it is in words.

        Raises
        ------
        ProbeError
            If the loss fails or is no scalar, or the outputs hold no numbers.

        """
        if self.loss is not None:
            return _users(self.loss, outputs, targets), _name(self.loss)
        own = _models(outputs)
        if own is not None:
            return own, "the loss that the model returns"
        floats = [t for t in tensors(outputs) if t.is_floating_point() and t.numel() and t.ndim]
        if not floats:
            raise ProbeError(
                "the model returns no floating-point tensor, so there is nothing to derive",
                hint="pass loss=, a function of the model's outputs",
            )
        generator = torch.Generator().manual_seed(self.seed)
        parts = [_drawn(t, layouts, generator) for t in floats]
        names = list(dict.fromkeys(name for _, name in parts))
        return torch.stack([value for value, _ in parts]).sum(), " + ".join(names)


def _users(loss: Loss, outputs: Any, targets: Any) -> Tensor:
    try:
        value = loss(outputs) if targets is None else loss(outputs, targets)
    except Exception as error:
        raise ProbeError(
            f"the loss raised {type(error).__name__}: {error}",
            hint="it is called with the model's outputs, and the targets if there are any",
        ) from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ProbeError(f"the loss must be a scalar tensor, not {shape}")
    return value.reshape(()).float()


def _models(outputs: Any) -> Tensor | None:
    """The scalar called ``loss`` among the outputs, as models of several libraries return it."""
    found = outputs.get("loss") if isinstance(outputs, dict) else getattr(outputs, "loss", None)
    if isinstance(found, Tensor) and found.numel() == 1 and found.requires_grad:
        return found.reshape(()).float()
    return None


def _drawn(output: Tensor, layouts: Layouts, generator: torch.Generator) -> tuple[Tensor, str]:
    """Cross-entropy with random labels where there are classes, else a random projection."""
    axis = layouts.axis(output.shape)
    if output.ndim >= 2 and output.shape[axis] > 1:
        logits = output.movedim(axis, 1).float()
        shape = (logits.shape[0], *logits.shape[2:])
        labels = torch.randint(logits.shape[1], shape, generator=generator).to(output.device)
        return functional.cross_entropy(logits, labels), "cross-entropy with random labels"
    direction = torch.randn(output.shape, generator=generator).to(output.device)
    projected = (output.float() * direction).sum() / output.shape[0]
    return projected, "a random projection per sample"


def _name(loss: Loss) -> str:
    return "the loss " + str(getattr(loss, "__name__", type(loss).__name__))
