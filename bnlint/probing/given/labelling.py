"""The targets that were given against the outputs, and the first cross-entropy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bnlint.domain.trials import Labels
from bnlint.models.nested import tensors
from bnlint.probing.observing.measure import Layouts

IGNORED = (-100, 255)
"""Indices that losses are commonly told to ignore."""


def labels(criterion: Any, layouts: Layouts, outputs: Any, targets: Any) -> Labels | None:
    """How the targets fit the outputs as classes; None where neither says anything of classes."""
    scores = _scores(layouts, outputs)
    name = str(getattr(criterion, "__name__", type(criterion).__name__)).lower()
    entropy = "cross_entropy" in name or "crossentropy" in name or "nll" in name
    if scores is None or not isinstance(targets, Tensor) or not targets.numel():
        return None
    if targets.is_floating_point():
        wrong = _floats(scores, targets) if entropy and "binary" not in name else ""
        return Labels(scores.shape[1], 0, 0, wrong) if wrong else None
    if targets.ndim != scores.ndim - 1 or targets.dtype is torch.bool:
        return None
    if criterion is not None and not entropy:
        return None
    return _indices(scores.shape[1], targets, entropy)


def _floats(scores: Tensor, targets: Tensor) -> str:
    if targets.shape == scores.shape:
        return ""
    return (
        f"cross-entropy takes class indices (integers), or one probability for each of the "
        f"{scores.shape[1]} classes, but the targets are floats of shape {tuple(targets.shape)}"
    )


def _indices(classes: int, targets: Tensor, entropy: bool) -> Labels | None:
    kept = (
        targets[torch.stack([targets != i for i in IGNORED]).all(0)] if classes < 255 else targets
    )
    kept = kept[kept != IGNORED[0]]
    if not kept.numel() or (classes < 2 and not entropy):
        return None
    lowest, highest = int(kept.min()), int(kept.max())
    wrong = ""
    if highest >= classes:
        wrong = f"the targets reach class {highest}, but the model has {classes} outputs"
        wrong += f": classes count from 0 to {classes - 1}"
    elif lowest < 0:
        wrong = f"the targets hold the class {lowest}: classes count from 0"
    elif classes == 1 and entropy:
        wrong = "cross-entropy over a single output is always zero"
    return Labels(classes, lowest, highest, wrong)


def initial_loss(
    layouts: Layouts, outputs: Any, targets: Any, seed: int
) -> tuple[float, int] | None:
    """The cross-entropy of the outputs, with the given classes or random ones, and their number."""
    scores = _scores(layouts, outputs)
    if scores is None or scores.shape[1] < 2:
        return None
    shape = (scores.shape[0], *scores.shape[2:])
    classes = scores.shape[1]
    given = isinstance(targets, Tensor) and not targets.is_floating_point()
    if given and tuple(targets.shape) == shape and int(targets.max()) < classes:
        labels_ = targets.long().clamp(min=0)
    else:
        generator = torch.Generator().manual_seed(seed)
        labels_ = torch.randint(classes, shape, generator=generator).to(scores.device)
    loss = functional.cross_entropy(scores.detach().float(), labels_)
    return float(loss), classes


def _scores(layouts: Layouts, outputs: Any) -> Tensor | None:
    """The only floating-point output that may hold a score for each class, classes on axis 1."""
    floats = [t for t in tensors(outputs) if t.is_floating_point() and t.ndim >= 2]
    if len(floats) != 1:
        return None
    axis = layouts.axis(floats[0].shape)
    return floats[0].movedim(axis, 1)
