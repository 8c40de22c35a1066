"""The calls of a recorded forward, noted with references in place of tensors.

Tensors are recognized by identity, so every tensor that was noted is kept alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import nn

from bnlint.layers.calls import RAISED, Call, Frames, Ref, State
from bnlint.loading.sites import call_frames
from bnlint.models.meta.known_numbers import hollow, keep_numbers, numbers_of
from bnlint.models.nested import tensors, with_tensors
from bnlint.tracing.forward import WatchedForward
from bnlint.tracing.tracers import Record, frames_of, reason_of
from bnlint.tracing.tracers.outside import NumbersRead, is_recomputed, kept_by

_PLAIN = frozenset((int, float, bool, str, type(None), torch.dtype, torch.device))
"""The types of most arguments without tensors."""


class CallBook:
    """What was called with what, in the order of the calls.

    Parameters
    ----------
    watched
        The forward that runs; it says which module is running.
    record
        Where the calls are written down.
    """

    def __init__(self, watched: WatchedForward, record: Record) -> None:
        self.watched, self.registry, self.record = watched, watched.registry, record
        self.numbers = NumbersRead()
        self._refs: dict[int, Ref] = {}
        self._alive: list[Any] = []
        self._around: list[tuple[FrameType | None, Frames, bool]] = [(None, (), False)]
        kept = kept_by(self.registry.modules)
        self._before = {id(value) for value in kept if type(value) not in _PLAIN}
        self._states = {
            id(t): (name, isinstance(t, nn.Parameter)) for name, t in self.registry.states()
        }

    def input(self, name: str, value: Any) -> Any:
        """``value`` with fresh tensors, each of them an input of the record."""

        def one(tensor: torch.Tensor) -> torch.Tensor:
            fresh: torch.Tensor = hollow(tensor).clone()
            if (numbers := numbers_of(tensor)) is not None:
                keep_numbers(fresh, numbers)
            call = Call(self._fresh_id(), "input", (name,), value=fresh)
            self.record.calls.append(call)
            self._point(fresh, Ref(call.id))
            return fresh

        return with_tensors(value, one)

    @contextmanager
    def inside(self, frame: FrameType) -> Iterator[None]:
        """Calls in the block are made within ``frame``; what is around it is walked only once."""
        self._around.append((frame, self._frames(), self._is_recomputed()))
        try:
            yield
        finally:
            self._around.pop()

    def _frames(self) -> Frames:
        until, outer, _ = self._around[-1]
        return call_frames(until, outer)

    def _is_recomputed(self) -> bool:
        until, _, around = self._around[-1]
        return is_recomputed(until, around)

    def ref(self, value: Any) -> Ref | None:
        """The call that made a tensor; None for what no call made."""
        return self._refs.get(id(value))

    def refs(self, values: Iterable[Any]) -> list[Ref]:
        """The calls that made the values, without those that no call made."""
        found = (self.ref(value) for value in values if type(value) not in _PLAIN)
        return [ref for ref in found if ref is not None]

    def note(
        self, target: Any, args: Any, kwargs: Any, path: str | None, result: Any, error: str | None
    ) -> None:
        """Write down a call, which made the tensors of ``result``."""
        call = self.call(target, args, kwargs, path, result, error)
        self.record.calls.append(call)
        for item, tensor in enumerate(tensors(result)):
            self._point(tensor, Ref(call.id, item))

    def call(
        self, target: Any, args: Any, kwargs: Any, path: str | None, result: Any, error: str | None
    ) -> Call:
        """The call as data, without writing it down."""
        held = self.registry.held(target) if isinstance(target, nn.Module) else ""
        noted = self._noted(args), self._noted(kwargs)
        return Call(
            self._fresh_id(),
            _readable(target),
            *noted,
            owner=self.watched.path,
            path=path,
            frames=self._frames(),
            grad=torch.is_grad_enabled(),
            held=held,
            value=result,
            error=error,
            also=self.numbers.behind(self.watched.path, target, args),
            recomputed=isinstance(target, nn.Module) and self._is_recomputed(),
        )

    def raised(self, error: Exception, path: str) -> Call:
        """The line that raised, where no call did, as a call."""
        held = getattr(error, "obj", None)
        args = tuple(self.refs([held]))
        return Call(
            self._fresh_id(), RAISED, args, owner=path, frames=frames_of(error),
            error=reason_of(error),
        )  # fmt: skip

    def read_number(self, target: Any, values: Any, result: Any) -> None:
        """Note that Python read a number from the tensors in ``values``."""
        self.numbers.note(self.watched.path, target, self.refs(tensors(values)), result)

    def _noted(self, value: Any) -> Any:
        """Arguments with references instead of tensors."""
        if type(value) in _PLAIN:
            return value
        if isinstance(value, torch.Tensor):
            return self.ref(value) or self._rebuilt(value) or self._state(value)
        if isinstance(value, (tuple, list)):
            return tuple(map(self._noted, value))
        if isinstance(value, dict):
            return {k: self._noted(v) for k, v in value.items()}
        if isinstance(value, slice):
            return slice(*map(self._noted, (value.start, value.stop, value.step)))
        return value

    def _rebuilt(self, tensor: torch.Tensor) -> Ref | None:
        """A tensor that was made of an array which Python read; None for any other.

        The call that made it cannot be observed.
        """
        if not self.numbers.arrays or id(tensor) in self._states or id(tensor) in self._before:
            return None
        also = tuple(self.numbers.arrays.get(self.watched.path, ()))
        if not also or not tensor.is_floating_point():
            return None
        frames, name = self._frames(), "from_numpy"
        call = Call(self._fresh_id(), name, owner=self.watched.path, frames=frames, also=also)
        call.value = tensor
        self.record.calls.append(call)
        self._point(tensor, Ref(call.id))
        return Ref(call.id)

    def _state(self, tensor: torch.Tensor) -> State:
        path, parameter = self._states.get(id(tensor), ("constant", False))
        self.record.reads.add(path)
        return State(path, tuple(tensor.shape), parameter, tensor)

    def _point(self, tensor: torch.Tensor, ref: Ref) -> None:
        self._refs[id(tensor)] = ref
        self._alive.append(tensor)

    def _fresh_id(self) -> str:
        return f"n{len(self.record.calls)}"


def _readable(target: Any) -> Any:
    """The name of a property for its getter; other targets are returned as they are."""
    if getattr(target, "__name__", "") == "__get__":
        return str(getattr(target.__self__, "__name__", "get"))
    return target
