"""One type for the arguments of a call that bnlint makes, of a constructor or of a forward.

Tensors among the arguments are on the ``meta`` device, so a guess costs microseconds whatever its
size.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from bnlint.domain.graph import Inputs, Location
from bnlint.domain.objects import home_of
from bnlint.domain.phrases import shortened
from bnlint.domain.request import InputSpec
from bnlint.loading.sites import file_of, is_local
from bnlint.models.evidence.plain_values import built
from bnlint.models.guessing.arguments.guessed_settings import GuessedSettings


class Holder(SimpleNamespace):
    """An object with attributes that are inputs; moving it leaves it as it is."""

    def to(self, *args: Any, **kwargs: Any) -> Holder:
        """Itself, as by any other method that moves a batch of data."""
        return self

    cuda = cpu = detach = clone = contiguous = to


class Origin(StrEnum):
    """Where the arguments of a call come from; the values are those of ``Inputs.source``."""

    GIVEN = "declared"
    """On the command line, in the configuration or in Python."""

    FOUND = "mined"
    """In the model itself, or in source that calls it."""

    GUESSED = "inferred"
    """From names and annotations, from layers, or from a similar call."""

    NONE = "none"
    """There are no arguments."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The arguments of one call and where they come from.

    ``place`` is the call in the source that they were read from. ``guessed`` names the arguments
    that a call does not state and that were guessed for it. ``channels_last`` is true of a second
    guess with sequences in the other layout. ``optional`` is true if inputs are
    among them that may be left out, or of which nothing is known: such a call may show that the
    model runs, but not that it fails.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = Origin.GUESSED
    place: Location | None = None
    guessed: tuple[str, ...] = ()
    channels_last: bool = False
    optional: bool = False

    def call(self, make: Callable[..., Any]) -> Any:
        """What ``make`` returns for these arguments; parts among them are built for each call."""
        args = [built(value) for value in self.args]
        return make(*args, **{name: built(value) for name, value in self.kwargs.items()})

    def assumed(self) -> tuple[str, ...]:
        """The arguments that were guessed; of settings objects, the settings that were."""
        inner = {n: v.guessed() for n, v in self.kwargs.items() if isinstance(v, GuessedSettings)}
        plain = [n for n in self.guessed if n not in inner or not inner[n]]
        return (*plain, *(name for names in inner.values() for name in names))

    def key(self) -> str:
        """The same text for calls with equal arguments."""
        return repr([(n, _unfolded(v)) for n, v in self.kwargs.items()]) + repr(self.args)

    def written(self, name: str) -> str:
        """The call of ``name`` with these arguments as text: ``Net(3, width=64)``."""
        shown = [_shown(a) for a in self.args]
        shown += [f"{key}={_shown(value)}" for key, value in self.kwargs.items()]
        return f"{name}({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Guesses:
    """The calls of a forward that may work, best first.

    What was given or found is one call that is used as it is. Of several guessed calls, the first
    one that works is the one to use (see :func:`choose`).
    """

    candidates: tuple[Guess, ...] = ()

    @property
    def source(self) -> Origin:
        """Where the first call comes from."""
        return self.candidates[0].origin if self.candidates else Origin.NONE


NONE = Guesses()


def given(*args: Any, **kwargs: Any) -> Guesses:
    """The one call that the user stated; tensors among its arguments become empty ones on meta."""
    return Guesses((Guess(emptied(args), emptied(kwargs), Origin.GIVEN),))


def declared(specs: tuple[InputSpec, ...]) -> Guesses:
    """The inputs that the user wrote by hand."""
    tensors = [(s.name, empty(s.shape, getattr(torch, s.dtype))) for s in specs]
    args, kwargs = (t for name, t in tensors if not name), {n: t for n, t in tensors if n}
    return given(*args, **kwargs) if specs else NONE


def choose(guesses: Guesses, attempt: Callable[[Guess], bool]) -> Guesses:
    """Only the first call that passes ``attempt``; all of them, unchanged, if none passes."""
    found = next(filter(attempt, guesses.candidates), None)
    return Guesses((found,)) if found else guesses


def describe(guess: Guess) -> Inputs:
    """The tensors of a call as plain data, for the ``ModelRef`` and the report."""
    tensors = list(_named_tensors("", (guess.args, guess.kwargs)))
    return Inputs(
        guess.origin.value,
        tuple(tuple(t.shape) for _, t in tensors),
        tuple(name for name, _ in tensors),
        tuple(str(t.dtype).removeprefix("torch.") for _, t in tensors),
    )


def leaves_out(forward: Callable[..., Any], guess: Guess) -> bool:
    """True if the call has no value for an input whose default is None."""
    try:
        signature = inspect.signature(forward)
        bound = signature.bind(*guess.args, **guess.kwargs).arguments
    except (TypeError, ValueError):
        return False
    return any(p.default is None and p.name not in bound for p in signature.parameters.values())


def empty(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A tensor of this shape without numbers, on the meta device."""
    return torch.empty(shape, dtype=dtype, device="meta")


def emptied(value: Any) -> Any:
    """The same structure with every tensor replaced by an empty one on meta."""
    return pytree.tree_map_only(torch.Tensor, partial(torch.empty_like, device="meta"), value)


def _named_tensors(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors with the key of the mapping that holds them."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _named_tensors(name, item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named_tensors(str(key), item)
    elif isinstance(value, SimpleNamespace) or _is_users(value):
        yield from _named_tensors(name, vars(value))


def _is_users(value: Any) -> bool:
    """True for an object with attributes whose class is in the user's code."""
    home = home_of(type(value))
    return hasattr(value, "__dict__") and is_local(file_of(sys.modules.get(home)))


def _shown(value: Any) -> str:
    if isinstance(value, type) or callable(value):
        return getattr(value, "__name__", repr(value))
    text = repr(value)
    return f"{type(value).__name__}(...)" if "\n" in text else shortened(text, 60, "...")


def _unfolded(value: Any) -> Any:
    """The settings inside of a settings object, which shows none of them."""
    if isinstance(value, GuessedSettings):
        return {name: _unfolded(entry) for name, entry in value.items()}
    return value
