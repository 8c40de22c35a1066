"""Where two runs of one model part: the first call whose result differs, with the user's line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from bnlint.domain.trials import CallSite
from bnlint.models.nested import tensors
from bnlint.probing.observing.readings import unseen
from bnlint.probing.observing.ways import users_line
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction, WatchedForward

Differs = Callable[[Tensor, Tensor], bool]
"""Whether two pieces of what one call returned, in two runs, are too different."""

ENDS = [0, -1]
"""The first and the last sample of a batch."""

VALUES = 256
"""Maximum number of values kept of each call."""

CLOSE = 1e-4
"""The difference, over the largest value, that another order of summation may make."""

GROWN = 3.0
"""The factor by which two runs differ where their scale does."""


def unequal(a: Tensor, b: Tensor) -> bool:
    """True where values differ by more than rounding."""
    largest = float(b.abs().max())
    return bool(((a - b).abs() > CLOSE * largest + 1e-12).any())


def rescaled(a: Tensor, b: Tensor) -> bool:
    """True where one is larger than the other by a factor."""
    one, other = float(a.square().mean()), float(b.square().mean())
    return max(one, other) > GROWN**2 * min(one, other) > 0


class Footprints(Subscriber):
    """Keeps a piece of what each call returns; with ``before``, finds the first that differs.

    With ``rows``, only the first and the last row of results with that number of rows are looked
    at: those of the first and the last sample.
    """

    def __init__(
        self,
        watched: WatchedForward,
        rows: int = 0,
        before: Footprints | None = None,
        differs: Differs = unequal,
    ) -> None:
        self.watched, self.rows, self.before, self.differs = watched, rows, before, differs
        self.pieces: list[tuple[str, Tensor]] = []
        self.parted: CallSite | None = None
        self._lost = False

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function, with a look at what it returns."""
        return partial(self._called, function.name, run)

    def _called(self, name: str, run: Runnable, /, *args: Any, **kwargs: Any) -> Any:
        out = run(*args, **kwargs)
        if self.parted is None and not self._lost:
            with unseen():
                for tensor in tensors(out):
                    self._look(name, tensor)
        return out

    def _look(self, name: str, out: Tensor) -> None:
        if not out.is_floating_point() or not out.ndim or not out.numel():
            return
        if self.rows and out.shape[0] != self.rows:
            return
        flat = (out.detach()[ENDS] if self.rows else out.detach()).reshape(-1)
        piece = flat[:: max(1, flat.numel() // VALUES)].float().clone()
        self.pieces.append((name, piece))
        if self.before is not None:
            self._compare(name, piece, self.before.pieces)

    def _compare(self, name: str, piece: Tensor, before: list[tuple[str, Tensor]]) -> None:
        at = len(self.pieces) - 1
        if at >= len(before) or before[at][0] != name or before[at][1].shape != piece.shape:
            self._lost = True  # the second run took another way
        elif self.differs(piece, before[at][1]):
            line = users_line(sys._getframe(1))
            self.parted = CallSite(self.watched.path, name, line, self.watched.turn)
