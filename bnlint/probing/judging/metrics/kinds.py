"""What a metric is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bnlint.domain.finding import Severity
from bnlint.domain.graph import Value
from bnlint.domain.probe import ProbeResult


@dataclass(frozen=True, slots=True)
class Verdict:
    """A metric that fired at a layer (empty for the whole model); ``values`` are its numbers."""

    layer: str
    severity: Severity
    message: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing the probe judges.

    ``name`` says what is wrong and is the rule of its findings. ``definition`` states what is
    measured, in which unit, and ``default`` when it fires. ``source`` says where it comes from.
    """

    name: str
    definition: str
    default: str
    source: str
    judge: Callable[[ProbeResult], Iterable[Verdict]]


ENOUGH = 256
"""With fewer samples a unit is *inactive here*, not dead."""


def percent(share: float) -> str:
    """A share as people read it: ``37 %``, with a digit more where it is small."""
    return (
        f"{share:.1%}".replace("%", " %") if 0 < share < 0.1 else f"{share:.0%}".replace("%", " %")
    )
