"""What a loss is given when it runs: scores and targets of torch's functions, and what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from bnlint.domain.errors import is_out_of_memory
from bnlint.layers.of_calls import arguments_of
from bnlint.probing.observing.history import origin

ENTROPY = ("cross_entropy", "nll_loss")
BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
DISTANCES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")

CLOSE = 1e-3
"""How far a sum of probabilities may be from 1."""


@dataclass(frozen=True, slots=True)
class LossCall:
    """One call of a loss of torch: its name, and what it was given."""

    name: str
    scores: Tensor
    targets: Tensor


class _Listening(TorchFunctionMode):
    """Notes the outermost calls of losses; what they call themselves is theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[LossCall] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in (*ENTROPY, *BINARY, *DISTANCES):
            given = arguments_of(name, args, kwargs)
            scores, targets = given.get("input"), given.get("target")
            if isinstance(scores, Tensor) and isinstance(targets, Tensor):
                self.calls.append(LossCall(name, scores, targets))
        with torch._C.DisableTorchFunction():
            return func(*args, **kwargs)


def calls_of(criterion: Callable[..., Any], outputs: Any, targets: Any) -> list[LossCall]:
    """The losses of torch that a criterion calls; those before an error, if it raises one."""
    listening = _Listening()
    try:
        with listening, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come again when the loss is used
            criterion(outputs) if targets is None else criterion(outputs, targets)
    except Exception as error:  # the caller of the criterion reports it
        if is_out_of_memory(error):
            raise
    return listening.calls


def misfit(calls: list[LossCall]) -> str:
    """Why targets do not fit the scores in shape or type; empty if they do."""
    return next((said for call in calls for said in _misfits(call)), "")


def _misfits(call: LossCall) -> Iterator[str]:
    scores, targets = tuple(call.scores.shape), tuple(call.targets.shape)
    if call.name in ENTROPY:
        yield from _of_classes(call, scores, targets)
    elif call.name in BINARY and not call.targets.is_floating_point():
        yield f"{call.name} takes floats, but the targets are {_dtype(call.targets)}: .float()"
    elif scores != targets and (call.name in BINARY or _broadcasts(scores, targets)):
        each = " together, and each output is compared with every target" * (call.name in DISTANCES)
        yield (
            f"{call.name} needs targets of the shape {scores} of the outputs, not {targets}"
            + (f": they broadcast{each}" if each else "")
        )


def _of_classes(call: LossCall, scores: tuple[int, ...], targets: tuple[int, ...]) -> Iterator[str]:
    if call.targets.is_floating_point() or len(scores) < 2 or len(targets) != len(scores):
        return
    wanted = (scores[0], *scores[2:])
    column = targets[1] == 1
    how = "squeeze(1)" if column else "argmax(1), or floats for probabilities"
    yield f"cross-entropy takes a class index for each sample, {wanted}, not {targets}: {how}"


def _broadcasts(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    try:
        both = torch.broadcast_shapes(one, other)  # type: ignore[no-untyped-call]
        return both not in (one, other) or len(one) != len(other)
    except RuntimeError:
        return False


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def doubled(calls: list[LossCall]) -> str:
    """What a loss applies although the outputs have it already, or lacks; empty if all is well."""
    return next((said for call in calls if (said := _doubled(call))), "")


def _doubled(call: LossCall) -> str:
    maker = origin(call.scores)
    made = maker.name() if maker is not None else ""
    squashed = made.startswith(("Softmax", "Sigmoid"))
    if call.name == "cross_entropy" and (squashed or _are_probabilities(call.scores)):
        last = "sigmoid" if made.startswith("Sigmoid") else "softmax"
        return f"cross-entropy applies log_softmax itself, but what it gets has passed a {last}"
    if call.name == "binary_cross_entropy_with_logits" and squashed:
        last = "softmax" if made.startswith("Softmax") else "sigmoid"
        return f"{call.name} applies a sigmoid itself, but what it gets has passed a {last}"
    if call.name == "nll_loss" and _are_probabilities(call.scores):
        return "nll_loss takes log-probabilities, but gets probabilities: use log_softmax"
    if call.name == "nll_loss" and not _are_normalized(call.scores):
        return "nll_loss takes log-probabilities, but gets scores: use cross_entropy"
    return ""


@torch.no_grad()
def _are_probabilities(scores: Tensor) -> bool:
    """Whether classes (dimension 1) have numbers from 0 to 1 with the sum 1."""
    if scores.ndim < 2 or scores.shape[1] < 2 or not scores.is_floating_point():
        return False
    x = scores.detach().float()
    sums = (x.sum(1) - 1).abs().max()
    return bool((x.min() >= 0) & (x.max() <= 1) & (sums < CLOSE))


@torch.no_grad()
def _are_normalized(scores: Tensor) -> bool:
    if scores.ndim < 2 or not bool(scores.isfinite().any()):
        return True
    sums = scores.detach().float().logsumexp(1)
    return bool((sums.abs() < 0.05).float().mean() > 0.5)
