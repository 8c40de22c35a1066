"""What a model is called with: batches from tensors, dicts, tuples, loaders, callables, files."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.domain.errors import BnlintError, ProbeError
from bnlint.models import nested

SAMPLES = 256
"""A loader is read until there are this many samples; with fewer, units are not called dead."""

HARMLESS = "it is damaged, or holds more than tensors, which loading it would have to run as code"

_END = object()

TARGETS = ("targets", "target", "labels", "label", "y")


@dataclass(frozen=True, slots=True)
class Batch:
    """One call of the model, and the targets for the loss."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    targets: Any = None

    @property
    def samples(self) -> int:
        """The number of samples in it."""
        return nested.samples((self.args, dict(self.kwargs)))

    def on(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        return Batch(*(nested.moved(v, device) for v in self.parts))

    def part(self, chosen: slice | Tensor) -> Batch:
        """The samples in a slice, or at the places in a tensor of indices."""
        total = self.samples
        return Batch(*(nested.part(v, total, chosen) for v in self.parts))

    @property
    def parts(self) -> tuple[Any, ...]:
        """Arguments, keywords, targets."""
        return self.args, dict(self.kwargs), self.targets


def read(given: Any, targets: Any, model: nn.Module) -> Iterator[Batch]:
    """The batches in what the user passed, one at a time; a ProbeError if it cannot be read."""
    if isinstance(given, (str, Path)):
        given = _loaded(Path(given))
    if callable(given) and not isinstance(given, (Tensor, nn.Module)):
        with _speaking("what was called for batches"):
            given = given()
    if isinstance(given, (Tensor, Mapping, tuple)):  # one batch; a list is a list of batches
        yield _batch(given, targets, model)
        return
    if not isinstance(given, Iterable):
        raise ProbeError(
            f"cannot make a batch of {type(given).__name__}",
            hint="pass a tensor, a dict, a tuple, a DataLoader, a callable or a file",
        )
    speaking = partial(_speaking, f"the {type(given).__name__} of the batches")
    with speaking():
        items = iter(given)
    while True:
        with speaking():
            item = next(items, _END)
        if item is _END:
            return
        yield _batch(item, None, model)


@contextmanager
def _speaking(what: str) -> Iterator[None]:
    """Errors of the user's loader or function are reported to the user."""
    try:
        yield
    except BnlintError:
        raise
    except Exception as error:
        raise ProbeError(
            f"{what} raised {type(error).__name__}: {error}", hint="iterate it by hand"
        ) from error


def enough(batches: Iterable[Batch], wanted: int) -> list[Batch]:
    """The first batches that together hold ``wanted`` samples, or all there are."""
    taken: list[Batch] = []
    count = 0
    for batch in batches:
        if batch.samples == 0:
            raise ProbeError("a batch holds no samples")
        taken.append(batch)
        count += batch.samples
        if count >= wanted:
            break
    if not taken:
        raise ProbeError("there is no batch in what was given")
    return taken


def _batch(item: Any, targets: Any, model: nn.Module) -> Batch:
    forward = _signature(model)
    if isinstance(item, Mapping):
        return _from_mapping(item, targets, forward)
    if isinstance(item, (tuple, list)):
        return _from_sequence(item, targets, forward)
    return Batch((item,), {}, targets)


def _from_mapping(item: Mapping[str, Any], targets: Any, forward: _Forward) -> Batch:
    names = set(item)
    if not names <= set(forward.names) and not forward.any_keyword:
        for name in TARGETS:
            if name in names and name not in forward.names and targets is None:
                targets = item[name]
                names.remove(name)
    rest = {k: v for k, v in item.items() if k in names}
    if forward.any_keyword or names <= set(forward.names):
        return Batch((), rest, targets)
    if len(rest) == 1 and not names & set(forward.names):
        return Batch(tuple(rest.values()), {}, targets)
    return Batch((dict(rest),), {}, targets)


def _from_sequence(item: Sequence[Any], targets: Any, forward: _Forward) -> Batch:
    """A tuple is the arguments; a last entry that the forward does not need is the targets."""
    if targets is None and len(item) > 1 and len(item) > forward.required:
        *item, targets = item
        inner = item[0] if len(item) == 1 else None  # a dict is keywords, a tuple is arguments
        if isinstance(inner, Mapping):
            return _from_mapping(inner, targets, forward)
        if isinstance(inner, (tuple, list)):
            item = inner if forward.required <= len(inner) <= forward.positional else item
    return Batch(tuple(item), {}, targets)


@dataclass(frozen=True, slots=True)
class _Forward:
    names: tuple[str, ...]
    required: int
    positional: int
    any_keyword: bool


def _signature(model: nn.Module) -> _Forward:
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):
        return _Forward((), 1, 1, True)
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    names = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    required = sum(p.default is p.empty for p in plain)
    return _Forward(
        names, max(required, 1), len(plain), any(p.kind is p.VAR_KEYWORD for p in parameters)
    )


def _loaded(path: Path) -> Any:
    """What a ``.pt`` (weights only) or ``.npz`` (no pickles) file holds, as tensors."""
    if not path.exists():
        raise ProbeError(f"{path}: there is no such file")
    try:
        if path.suffix == ".npz":
            return _arrays(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else HARMLESS
        raise ProbeError(
            f"{path}: cannot be read: {reason}",
            hint="save a tensor, or a dict or list of tensors, with torch.save, or an .npz",
        ) from error


def _arrays(path: Path) -> Any:
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    found = {n: t.float() if t.dtype is torch.float64 else t for n, t in tensors.items()}
    positional = [found[f"arr_{i}"] for i in range(len(found)) if f"arr_{i}" in found]
    return tuple(positional) if len(positional) == len(found) else found


def joined(batches: Sequence[Batch], at_most: int = 2) -> Batch:
    """The first batches as one; only the first if they cannot be concatenated."""
    parts = [b.parts for b in batches[:at_most]]
    try:
        return Batch(*(nested.joined(list(part)) for part in zip(*parts, strict=True)))
    except (RuntimeError, TypeError):
        return batches[0]
