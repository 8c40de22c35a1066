"""A rule as data, after parsing; see ``engine.parse`` for the YAML it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bnlint.domain.finding import Severity
from bnlint.domain.graph import Location, Value

FIX_ACTIONS = (
    "set-argument",
    "rename-call",
    "swap",
    "remove",
    "module-list",
    "comprehension",
)


@dataclass(frozen=True, slots=True)
class Tags:
    """What an op must be: ``any_of`` (one of them), and ``none_of``."""

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capture:
    """One op (or registered module) of the pattern, named for conditions and messages."""

    name: str
    tags: Tags


@dataclass(frozen=True, slots=True)
class Gap:
    """Zero or more ops between two captures, each of which must fit ``tags``."""

    tags: Tags


@dataclass(frozen=True, slots=True)
class Reference:
    """A fact of a capture, of the model or of the settings: ``$kernel.bias``."""

    subject: str
    fact: str


@dataclass(frozen=True, slots=True)
class Condition:
    """``[left, operator, right]``; operands are references or literal values."""

    left: Reference | Value
    operator: str
    right: Reference | Value = None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Exception_:
    """A reasonable excuse: all of ``conditions`` hold, ``because``.

    ``unknown_excuses`` says whether an unknown fact counts as the excuse (the default) or not.
    """

    because: str
    conditions: tuple[Condition, ...]
    unknown_excuses: bool = True


@dataclass(frozen=True, slots=True)
class Convention:
    """When ``share`` or more of the ops of capture ``of`` fire, one finding stands for them all."""

    of: str
    share: float
    at_least: int
    message: str
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class ReportAt:
    """Where and what to report: the capture pointed at, related captures, the message."""

    at: str
    message: str
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FixRecipe:
    """What would mend it: an action of ``FIX_ACTIONS``, captures by role, and values."""

    action: str
    safety: str
    roles: Mapping[str, str]
    arguments: Mapping[str, Value | Reference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """Source code that proves the rule; ``expect`` comments mark the lines reported."""

    code: str
    title: str = ""
    settings: Mapping[str, Value] = field(default_factory=dict)
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Docs:
    """Why the rule exists, what supports it, what to do instead, and where to read more."""

    why: str
    evidence: str = ""
    instead: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule; ``over`` is ops (a path in the data flow) or modules (registered modules)."""

    id: str
    name: str
    severity: Severity
    summary: str
    match: tuple[Capture | Gap, ...]
    where: tuple[Condition, ...]
    unless: tuple[Exception_, ...]
    report: ReportAt
    docs: Docs
    bad: tuple[Example, ...]
    good: tuple[Example, ...]
    over: str = "ops"
    enabled: bool = True
    fix: FixRecipe | None = None
    convention: Convention | None = None
    location: Location | None = None
