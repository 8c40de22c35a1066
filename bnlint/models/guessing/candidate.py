"""Which tensors a model is called with: declared, mined from the file, inferred, or none.

All tensors live on the ``meta`` device, so a candidate costs microseconds whatever its size.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from bnlint.domain.graph import Inputs
from bnlint.domain.request import InputSpec


@dataclass(frozen=True, slots=True)
class Candidate:
    """One call: positional and keyword arguments, tensors or structures of tensors on meta."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GivenInputs:
    """How a model may be called, best candidate first; ``source`` says where they came from.

    Declared and mined inputs hold one candidate that is taken as it is. Inferred inputs hold
    several, of which the first one that passes is the one to use (see :func:`choose`).
    """

    candidates: tuple[Candidate, ...] = ()
    source: str = "none"

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments of the first candidate."""
        return self.candidates[0].args if self.candidates else ()

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The keyword arguments of the first candidate."""
        return self.candidates[0].kwargs if self.candidates else {}


NONE = GivenInputs()


def choose(given: GivenInputs, attempt: Callable[[Candidate], bool]) -> GivenInputs:
    """The inputs with the first candidate that passes ``attempt`` alone; all unchanged if none."""
    for candidate in given.candidates:
        if attempt(candidate):
            return GivenInputs((candidate,), given.source)
    return given


def describe(candidate: Candidate, source: str) -> Inputs:
    """The plain-data summary of a candidate, for the ``ModelRef`` and the report."""
    tensors = list(_tensors("", candidate.args)) + list(_tensors("", candidate.kwargs))
    return Inputs(
        source,
        tuple(tuple(t.shape) for _, t in tensors),
        tuple(name for name, _ in tensors),
        tuple(str(t.dtype).removeprefix("torch.") for _, t in tensors),
    )


def leaves_out(forward: Callable[..., Any], candidate: Candidate) -> bool:
    """True when a call gives no value for an input whose default is None."""
    try:
        signature = inspect.signature(forward)
        given = signature.bind(*candidate.args, **candidate.kwargs).arguments
    except (TypeError, ValueError):
        return False
    return any(p.default is None and p.name not in given for p in signature.parameters.values())


def declared(specs: tuple[InputSpec, ...]) -> GivenInputs:
    """The inputs that the user wrote by hand."""
    if not specs:
        return NONE
    args = tuple(tensor(s) for s in specs if not s.name)
    kwargs = {s.name: tensor(s) for s in specs if s.name}
    return GivenInputs((Candidate(args, kwargs),), "declared")


def tensor(spec: InputSpec) -> torch.Tensor:
    """An empty tensor on meta with the shape and dtype of ``spec``."""
    return torch.empty(spec.shape, dtype=getattr(torch, spec.dtype), device="meta")


def _tensors(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(name, item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _tensors(str(key), item)
