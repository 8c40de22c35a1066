"""What a tracer is and what it returns; each module of this package holds one of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from torch import nn

from bnlint.domain.phrases import first_line
from bnlint.layers.calls import Call, Frames, Ref
from bnlint.layers.table import Table
from bnlint.loading.sites import is_machinery
from bnlint.models.guessing.guess import Guess
from bnlint.tracing.forward.module_names import Stray


class Tracer(Protocol):
    """Records the operations of a model; errors of the model's code become refusals."""

    def __call__(self, model: nn.Module, table: Table, call: Guess, /) -> Record:
        """The record of ``model``, without calls if the tracer cannot trace it at all."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The path of a module that a tracer could not trace, the reason and the place."""

    path: str
    reason: str
    frames: Frames = ()

    @classmethod
    def after(cls, error: BaseException, path: str) -> Refused:
        """The refusal for an error in the forward of the module at ``path``."""
        return cls(path, reason_of(error), frames_of(error))


@dataclass(slots=True)
class Record:
    """What a tracer recorded of a model or of a part of it, in the order of execution.

    ``places`` says where in the result each of the ``outputs`` is: "", "0", "logits".

    ``left_out`` is true if optional inputs of the forward were left at their defaults, so that
    another call may run other operations. ``crash`` is the call at which the forward ended with an
    error, which is not among ``calls``; ``crash_is_own`` if no input could have prevented it.
    ``entered`` are the arguments of the first call of each module that is no leaf, by its identity.
    """

    tracer: str
    calls: list[Call] = field(default_factory=list)
    outputs: list[Ref] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    called: dict[int, int] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    strays: list[Stray] = field(default_factory=list)
    left_out: bool = False
    crash: Call | None = None
    crash_is_own: bool = False
    entered: dict[int, Guess] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """True if the whole model was traced."""
        return not self.refused


def reason_of(error: BaseException) -> str:
    """The type of an error and the first line of what it says."""
    said = first_line(str(error).strip())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def frames_of(error: BaseException) -> Frames:
    """The frames of an error's traceback, innermost first, without those of torch and bnlint."""
    found = []
    trace = error.__traceback__
    while trace is not None:
        if not is_machinery(trace.tb_frame.f_code.co_filename):
            found.append((trace.tb_frame.f_code, trace.tb_lasti))
        trace = trace.tb_next
    return tuple(reversed(found))
