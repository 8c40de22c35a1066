"""One probe under way: the model and its forward, the device, and the loss that is derived.

A sum or mean of the outputs has the same cotangent for every sample: a norm projects that direction
out, and the gradient seems to vanish by decades. So without a loss the probe takes random labels
or an independent random projection per sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnlint.domain.errors import ProbeError, in_words, is_out_of_memory
from bnlint.domain.trials import Labels
from bnlint.layers.table import Table
from bnlint.loading.user_code import place_of
from bnlint.models.nested import tensors
from bnlint.probing.given import placing
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.labelling import labels
from bnlint.probing.given.loss_calls import calls_of, doubled, misfit
from bnlint.probing.observing.measure import Layouts
from bnlint.probing.untouched import seed
from bnlint.tracing.forward import Subscriber, WatchedForward
from bnlint.tracing.forward.module_names import Registry

HALF_SCALE = 1024.0
"""Losses in float16 are scaled up by this, so that small gradients do not underflow to zero."""

Loss = Callable[..., Any]


@dataclass(slots=True)
class Session:
    """What all steps of one probe share; ``notes`` collects what the reader must know.

    ``criterion`` is the user's loss. ``watched`` is the model's forward, for everyone who looks at
    it, ``switched`` counts the parameters that its ``train()`` froze or thawed, ``labels`` says how
    the targets fit the loss, ``fits`` how many samples memory is enough for. Random labels come
    from ``seed`` alone, so that two losses of one batch agree.
    """

    model: nn.Module
    device: torch.device
    dtype: torch.dtype | None
    criterion: Loss | None
    table: Table
    seed: int = 0
    layouts: Layouts = field(default_factory=Layouts)
    scale: float = 1.0
    notes: list[str] = field(default_factory=list)
    switched: int = 0
    fits: int | None = None
    labels: Labels | None = None
    watched: WatchedForward = field(init=False)
    _changes: tuple[Subscriber, ...] = ()

    def __post_init__(self) -> None:
        self.watched = WatchedForward(Registry(self.model), self.table)
        half = any(p.dtype is torch.float16 for p in self.model.parameters())
        self.scale = HALF_SCALE if half or self.dtype is torch.float16 else 1.0

    def forward(self, batch: Batch) -> Any:
        """What the model returns for a batch.

        An error of its own becomes a ProbeError; running out of memory passes through as it is.
        """
        try:
            with placing.autocast(self.device, self.dtype), self.watched.by(*self._changes):
                return self.model(*batch.args, **batch.kwargs)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            shapes = ", ".join(str(tuple(t.shape)) for t in tensors((batch.args, batch.kwargs)))
            raise ProbeError(
                f"the model's forward raised {in_words(error)}{place_of(error)}",
                hint=f"it was called with {shapes or 'no tensor'}; check shapes and types",
            ) from error

    def objective(self, outputs: Any, targets: Any) -> tuple[Tensor, str]:
        """The loss of these outputs, and what it is in words; a ProbeError where there is none."""
        if self.criterion is not None and self._fit(outputs, targets):
            name = str(getattr(self.criterion, "__name__", type(self.criterion).__name__))
            return _users(self.criterion, outputs, targets), f"the loss {name}"
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
        parts = [_drawn(t, self.layouts, generator) for t in floats]
        names = dict.fromkeys(name for _, name in parts)
        return torch.stack([value for value, _ in parts]).sum(), " + ".join(names)

    def _fit(self, outputs: Any, targets: Any) -> bool:
        """Whether the targets suit the loss; looked at once, since it waits for the device."""
        if self.labels is None:
            calls = calls_of(self.criterion, outputs, targets) if self.criterion else []
            found = labels(self.criterion, self.layouts, outputs, targets) or Labels(0, 0, 0)
            wrong = found.wrong or misfit(calls)
            self.labels = replace(found, wrong=wrong, doubled=doubled(calls))
            if self.labels.wrong:
                self.note("the loss cannot take these targets: the gradient is of another loss")
        return not self.labels.wrong

    def loss(self, batch: Batch) -> Tensor:
        """The objective on a batch that is on the device already."""
        return self.objective(self.forward(batch), batch.targets)[0]

    @contextmanager
    def changed_by(self, change: Subscriber) -> Iterator[None]:
        """Lets ``change`` replace calls in each forward; observers see what it makes of them."""
        self._changes = (change,)
        try:
            yield
        finally:
            self._changes = ()

    def reseed(self) -> None:
        """Every random choice of the model (dropout) the same from here."""
        seed(self.device, self.seed)

    def note(self, text: str) -> None:
        """Adds ``text`` to the notes, once."""
        if text not in self.notes:
            self.notes.append(text)


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
