"""What a tracer yields: calls in the order of execution, the same for every tracer."""

from __future__ import annotations

from dataclasses import dataclass, field

from bnlint.layers.calls import Call, Frames, Ref
from bnlint.tracing.forward.registry import Stray


@dataclass(frozen=True, slots=True)
class Refused:
    """A module (by path) that a tracer could not see into, why, and where."""

    path: str
    reason: str
    frames: Frames = ()


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
