"""The ways of the signal: the order of calls, what feeds what, and the user's line of a call."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from types import FrameType
from typing import Any

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from bnlint.domain.graph import Location
from bnlint.loading.sites import Locator, is_local, is_machinery
from bnlint.probing.observing.measure import Layouts, unit_dims
from bnlint.probing.observing.readings import Turn
from bnlint.tracing.forward import Key, WatchedForward

_WATCHING = os.path.join("tracing", "forward", "__init__.py")


class Ways:
    """What one forward has shown so far; lines are looked up once a call."""

    def __init__(self, watched: WatchedForward) -> None:
        self.watched = watched
        self._lines: dict[tuple[Key, str], Location | None] = {}
        self._from: MutableMapping[Tensor, str] = WeakIdKeyDictionary()
        self._newest = ""
        self._channels = 0
        self._pooled = False

    def restart(self) -> None:
        """A new forward."""
        self._from.clear()
        self._newest, self._channels, self._pooled = "", 0, False

    def turn(self, key: Key, x: Tensor, axis: int) -> Turn:
        """When and where the call ``key`` reads ``x``."""
        self._look(x, axis)
        fed_by = self._from.get(x, self._newest)
        return Turn(self.watched.turn, self._line(key), fed_by, self._pooled)

    def fed(self, key: Key, x: Any, out: Any, layouts: Layouts) -> Turn:
        """The same of a conv/linear layer, which feeds what reads ``out``."""
        if isinstance(x, Tensor) and isinstance(out, Tensor):
            self._look(x, layouts.axis(x.shape) if x.ndim == out.ndim else x.ndim - 1)
            if out.ndim > 1:
                self._see(out, layouts.axis(out.shape))
        self._newest = key[0]
        if isinstance(out, Tensor):
            self._from[out] = key[0]
        return Turn(self.watched.turn, self._line(key), key[0], self._pooled)

    def carried(self, x: Tensor, out: Any) -> None:
        """A norm passes on what feeds it."""
        if isinstance(out, Tensor):
            self._from[out] = self._from.get(x, self._newest)

    def _see(self, out: Tensor, axis: int) -> None:
        if _places(out, axis) > 1:
            self._channels = out.shape[axis]

    def _look(self, x: Tensor, axis: int) -> None:
        """Space was averaged away if the channels of the last feature map are left of it."""
        if x.ndim < 2 or _places(x, axis) > 1:
            self._pooled = False
            if x.ndim > 2:
                self._channels = x.shape[axis]
        elif x.shape[axis if axis < x.ndim else -1] == self._channels:
            self._pooled = True

    def _line(self, key: Key) -> Location | None:
        known = (key, self.watched.path)
        if known not in self._lines:
            self._lines[known] = users_line(sys._getframe(1))
        return self._lines[known]


def _places(x: Tensor, axis: int) -> int:
    count = 1
    for d in unit_dims(x.ndim, axis)[1:]:
        count *= x.shape[d]
    return count


def users_line(frame: FrameType | None) -> Location | None:
    """The innermost line of the user's own file inside the watched forward; None if there is none.

    What called the forward is not a part of the model.
    """
    found: list[tuple[Any, int]] = []
    inside = 0
    while frame is not None:
        code = frame.f_code
        if code.co_filename.endswith(_WATCHING) and code.co_name == "call":
            inside = len(found)
        elif not is_machinery(code.co_filename):
            found.append((code, frame.f_lasti))
        frame = frame.f_back
    at = Locator().locate(tuple(found[:inside])) if inside else None
    return at if at is not None and is_local(at.path) else None
