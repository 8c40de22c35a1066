"""The ladder: tracers in the order in which they are tried, and what is kept of a climb."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bnlint.domain.graph import Inputs
from bnlint.layers.calls import Call
from bnlint.models.guessing.guess import NONE, Guess, Guesses
from bnlint.models.guessing.guess import describe as describe_inputs
from bnlint.tracing.believing.forgetting import forget_others
from bnlint.tracing.believing.runs import Run, failed, place_of
from bnlint.tracing.crashes import is_of_names
from bnlint.tracing.tracers import Record, Refused, Tracer
from bnlint.tracing.tracers.concrete import trace_concretely
from bnlint.tracing.tracers.recorded import record_forward
from bnlint.tracing.tracers.symbolic import trace_symbolically


class Needs(enum.Enum):
    """What a tracer needs to know about a call of the model."""

    NAMES = "which arguments there are; their shapes are filled in afterwards"
    SHAPES = "arguments on meta"


@dataclass(frozen=True, slots=True)
class Rung:
    """A tracer with what it needs; those with ``in_eval`` are tried in both modes."""

    trace: Tracer
    needs: Needs
    in_eval: bool = False


LADDER = [
    Rung(trace_symbolically, Needs.NAMES),
    Rung(record_forward, Needs.SHAPES, in_eval=True),
    Rung(trace_concretely, Needs.SHAPES),
]
"""The tracers in order of preference; the first that traces the whole model wins."""


def rungs_with_inputs() -> list[Rung]:
    """The tracers that need inputs."""
    return [rung for rung in LADDER if rung.needs is not Needs.NAMES]


_RUNS = "recorded"
"""What the records of the tracer are called that runs the forward itself."""


@dataclass(slots=True)
class Climb:
    """The most complete record, the inputs it ran with, and the reasons of tracers that refused.

    ``training`` is false if only the eval mode could be traced. ``crash`` is where the forward ends
    with an error, whatever the input. ``unfit`` is where the guessed inputs fail, though others may
    pass; ``cut`` is true if the search for others ran out of time. ``entered`` are the arguments
    that modules got in forwards that failed, by the identity of the module; ``rung`` is the tracer
    that ran the whole forward with inputs, if one did.
    """

    record: Record
    inputs: Guesses = NONE
    refusals: list[tuple[str, Refused]] = field(default_factory=list)
    training: bool = True
    crash: Call | None = None
    unfit: Call | None = None
    cut: bool = False
    entered: Mapping[int, Guess] = field(default_factory=dict)
    rung: Rung | None = None

    @property
    def complete(self) -> bool:
        """True if the whole model was traced."""
        return self.record.complete

    def telling(self, refused: Refused) -> Refused:
        """Why the whole forward was refused: what stopped it when it ran says most."""
        if refused.path:
            return refused
        return next((r for name, r in self.refusals if name == _RUNS), refused)

    def doubt(self) -> None:
        """Take every failure for one that another call may not have, but for unset names."""
        if self.crash is None or not is_of_names(self.crash.error or ""):
            failures = (call for call in self.record.calls if call.error is not None)
            first = self.crash or next(failures, None)
            self.unfit = self.unfit or (replace(first) if first else None)
            self.crash = None
        forget_others(self.record, frozenset())

    def described_inputs(self) -> Inputs:
        """The inputs as plain data."""
        if not self.inputs.candidates:
            return Inputs()
        return describe_inputs(self.inputs.candidates[0])


@dataclass(frozen=True, slots=True)
class Ascent:
    """What one tracer recorded of one call."""

    record: Record
    candidate: Guess
    training: bool
    rung: Rung

    @property
    def given(self) -> Guesses:
        """The inputs it ran with."""
        return Guesses((self.candidate,))

    @property
    def passes(self) -> bool:
        """True if all was recorded, and no call failed."""
        return self.record.complete and not failed(self.record)


def most_telling(ascents: list[Ascent]) -> Ascent:
    """A complete one, else one whose forward ended with an error, else the first."""
    complete = (a for a in ascents if a.record.complete)
    crashed = (a for a in ascents if a.record.crash is not None)
    return next(complete, None) or next(crashed, None) or ascents[0]


def crash_there(run: Run, ascents: list[Ascent]) -> bool:
    """True if the forward ended at the same line in one of them."""
    crashes = (a.record.crash for a in ascents)
    return any(crash is not None and place_of(crash) == run.place for crash in crashes)
