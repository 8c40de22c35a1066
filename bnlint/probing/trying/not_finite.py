"""Where inf and nan come from: a weight, an input, the first operation that makes them."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bnlint.domain.graph import Location
from bnlint.domain.trials import CallSite, NotFinite
from bnlint.loading.sites import is_local, is_machinery
from bnlint.models.nested import tensors
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.placing import eager
from bnlint.probing.observing.readings import unseen
from bnlint.probing.observing.ways import users_line
from bnlint.probing.session import Session
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction, WatchedForward

MASKS = frozenset(
    ("masked_fill", "masked_fill_", "full", "full_like", "new_full", "where", "fill_", "triu",
     "triu_", "tril", "__setitem__", "tensor", "empty", "empty_like", "new_empty", "topk")
)  # fmt: skip
"""Functions that write -inf on purpose, as masks do, or make memory without values."""

_FRAME = re.compile(r'File "(?P<path>.+)", line (?P<line>\d+)')
_FUNCTION = re.compile(r"Function '(?P<name>\w+?)(Backward\d*)?' returned nan")


def origin_of(session: Session, batch: Batch) -> NotFinite | None:
    """The first thing that is not finite in a forward and backward; None if all is well."""
    return _weights(session) or _inputs(batch) or _operation(session, batch)


def lost_state(session: Session) -> NotFinite | None:
    """A trainable weight or running statistic that is not finite, though the training step is.

    A batch norm reads its running statistics in evaluation only.
    """
    found = _weights(session)
    trained = {name for name, p in session.model.named_parameters() if p.requires_grad}
    own = found is not None and (found.name in trained or "running_" in found.name)
    return found if own else None


def _weights(session: Session) -> NotFinite | None:
    model = session.model
    for name, state in (*model.named_parameters(), *model.named_buffers()):
        value = _value(state)
        if value and (state.requires_grad or "running" in name or "mask" not in name):
            return NotFinite("parameter", name, value, CallSite(name.rpartition(".")[0]))
    return None


def _inputs(batch: Batch) -> NotFinite | None:
    for number, given in enumerate(tensors((batch.args, dict(batch.kwargs)))):
        value = _value(given)
        if value and value != "-inf":
            return NotFinite("input", f"input {number + 1}" if number else "input", value)
    return None


def _value(x: Tensor) -> str:
    """``nan``, ``inf`` or ``-inf`` if the tensor holds one, else empty."""
    if not x.is_floating_point() or x.layout is not torch.strided or not x.numel():
        return ""
    if bool(x.isfinite().all()):
        return ""
    if bool(x.isnan().any()):
        return "nan"
    return "inf" if bool((x == torch.inf).any()) else "-inf"


def _operation(session: Session, batch: Batch) -> NotFinite | None:
    watch = _FirstNotFinite(session.watched)
    session.reseed()
    batch = batch.on(session.device)
    with warnings.catch_warnings(record=True) as said, eager():
        warnings.simplefilter("always")
        try:
            with torch.autograd.set_detect_anomaly(True), session.watched.by(watch):
                outputs = session.forward(batch)
                bad = next((v for t in tensors(outputs) if (v := _value(t))), "")
                if bad and watch.found is not None:
                    return watch.found
                loss = session.objective(outputs, batch.targets)[0]
                if _value(loss):
                    return NotFinite("loss", "", _value(loss))
                trained = [p for p in session.model.parameters() if p.requires_grad]
                torch.autograd.grad(loss, trained, allow_unused=True)
        except RuntimeError as error:
            return _backward(str(error), [str(w.message) for w in said])
    return None


def _backward(error: str, said: list[str]) -> NotFinite | None:
    """What anomaly detection found; the traceback of the forward is in its warning."""
    found = _FUNCTION.search(error)
    if found is None:
        return None
    lines = list(_lines(said))
    at = CallSite("", found["name"].lower(), lines[-1] if lines else None)
    return NotFinite("gradient", found["name"].lower(), "nan", at)


def _lines(said: list[str]) -> Iterator[Location]:
    for text in said:
        for frame in _FRAME.finditer(text):
            path = frame["path"]
            if not is_machinery(path) and is_local(path):
                yield Location(path, int(frame["line"]))


class _FirstNotFinite(Subscriber):
    """The first call that makes inf or nan of what is finite."""

    def __init__(self, watched: WatchedForward) -> None:
        self.watched = watched
        self.found: NotFinite | None = None

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function, with a look at what it reads and returns."""
        return run if function.name in MASKS else partial(self._called, function.name, run)

    def _called(self, name: str, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        with unseen():
            fine = self.found is None and not any(map(_value, tensors((args, kwargs))))
        out = run(*args, **kwargs)
        if fine:
            with unseen():
                value = next((v for t in tensors(out) if (v := _value(t))), "")
            if value:
                line = users_line(sys._getframe(1))
                at = CallSite(self.watched.path, name, line, self.watched.turn)
                self.found = NotFinite("operation", name, value, at)
        return out
