"""What a tracer returns: the calls in the order of execution, or why it could not follow them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from torch import nn

from bnlint.layers.calls import Call, Frames, Ref
from bnlint.layers.table import Table
from bnlint.loading.sites import is_machinery
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.forward.registry import Stray


class Tracer(Protocol):
    """Follows what a model does when it is called; never raises for what the model does."""

    def __call__(self, model: nn.Module, table: Table, call: Guess, /) -> Record:
        """Everything it saw of ``model``; a record without calls where it refuses."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A module (by path) that a tracer could not see into, why, and where."""

    path: str
    reason: str
    frames: Frames = ()

    @classmethod
    def after(cls, error: BaseException, path: str) -> Refused:
        """The refusal that follows from an error in the forward of the module at ``path``."""
        lines = str(error).strip().splitlines()
        text = f": {lines[0]}" if lines and lines[0] else ""
        return cls(path, f"{type(error).__name__}{text}", _frames_of(error))


@dataclass(slots=True)
class Record:
    """Everything one tracer saw of one model (or of one part of it).

    ``left_out`` is true when optional inputs of its forward stayed at their defaults, so that a
    call from elsewhere in the model may do something else.
    """

    tracer: str
    calls: list[Call] = field(default_factory=list)
    outputs: list[Ref] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    called: dict[int, int] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    strays: list[Stray] = field(default_factory=list)
    left_out: bool = False

    @property
    def complete(self) -> bool:
        """True when no part of the model stayed out of sight."""
        return not self.refused


def _frames_of(error: BaseException) -> Frames:
    """The frames of an error's traceback, innermost first, without those of torch and bnlint."""
    found = []
    trace = error.__traceback__
    while trace is not None:
        if not is_machinery(trace.tb_frame.f_code.co_filename):
            found.append((trace.tb_frame.f_code, trace.tb_lasti))
        trace = trace.tb_next
    return tuple(reversed(found))
