"""A rule as data, after parsing; see ``engine.rule_file`` for the YAML it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bnlint.domain.finding import Severity
from bnlint.domain.graph import Location, Value

MEASURES: Mapping[str, str] = {
    "stuck-units": "units of the activation that are dead, or values that saturate it",
    "with-a-norm": "dead units and signal at the activation as it is, and with a norm before it",
    "bias-effect": "how much another bias changes the output",
    "call-distance": "how far the means that the calls of a norm see lie apart",
    "gradient-ratio": "the gradient at the first kernel of the model over that at the last",
}
"""What the probe can measure for a finding; a rule names one of them in ``evidence``."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What an op must be: ``any_of`` (one of them), and ``none_of``."""

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capture:
    """One op (or registered module) of the pattern, named for conditions and messages.

    ``gap`` says which ops may lie between the capture before and this one: zero or more that all
    fit; ``None`` means that the two are neighbours.
    """

    name: str
    tags: Tags
    gap: Tags | None = None


@dataclass(frozen=True, slots=True)
class Operand:
    """A literal ``value``; or, with a ``subject``, a fact: ``$kernel.bias``, ``$model.block``.

    The subject is a capture, ``model`` or ``settings``.
    """

    subject: str = ""
    fact: str = ""
    value: Value = None

    def __str__(self) -> str:
        return f"${self.subject}.{self.fact}" if self.subject else str(self.value)


@dataclass(frozen=True, slots=True)
class Condition:
    """``[left, operator, right]``; a one-sided operator (``is-known``) ignores ``right``.

    The operator ``any`` has alternatives in place of operands: it holds when one of them does.
    """

    left: Operand
    operator: str
    right: Operand = Operand()
    location: Location | None = None
    alternatives: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        if self.alternatives:
            return f"{{any: [{', '.join(map(str, self.alternatives))}]}}"
        return f"[{self.left}, {self.operator}, {self.right}]"

    def operands(self) -> Iterator[Operand]:
        """Both sides, those of all alternatives included."""
        yield from (self.left, self.right)
        for alternative in self.alternatives:
            yield from alternative.operands()


@dataclass(frozen=True, slots=True)
class Downgrade:
    """The finding weighs only ``severity`` when all of ``conditions`` hold, ``because``."""

    severity: Severity
    because: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Exception_:
    """A reasonable excuse: all of ``conditions`` hold, ``because``.

    ``unknown_excuses`` says whether an unknown fact counts as the excuse (the default) or not.
    """

    because: str
    conditions: tuple[Condition, ...]
    unknown_excuses: bool = True
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Convention:
    """A convention: ``share`` or more of the model's layers that fit capture ``of`` fire.

    One finding for the model then replaces them all, provided that ``at_least`` of them fire.
    """

    of: str
    share: float
    at_least: int
    message: str
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class ReportAt:
    """Where and what to report: the capture pointed at, related captures, the message.

    ``place`` is ``layer`` (the line that constructs it) or ``call`` (the line that calls it).
    """

    at: str
    message: str
    related: tuple[str, ...] = ()
    place: str = "layer"


@dataclass(frozen=True, slots=True)
class EvidenceFrom:
    """Which of ``MEASURES`` bears the rule out, and the capture on whose layer it is taken.

    Without a capture it is the layer that is reported, else one that is related to it.
    """

    measure: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class FixRecipe:
    """What would fix it: an action of ``bnlint.edits``, captures by role, and values."""

    action: str
    safety: str
    roles: Mapping[str, str]
    arguments: Mapping[str, Operand] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """Source code that proves the rule; ``expect`` comments mark the lines reported.

    ``engine.explain.whole`` puts before it what the code uses of the ``prelude``.
    """

    code: str
    title: str = ""
    settings: Mapping[str, Value] = field(default_factory=dict)
    location: Location | None = None
    prelude: str = ""


@dataclass(frozen=True, slots=True)
class Docs:
    """Why the rule exists, what supports it, what to do instead, and where to read more."""

    why: str
    evidence: str = ""
    instead: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule; ``over`` is ops (a path in the data flow) or modules (registered modules).

    ``form`` names one of several patterns that make up one rule; ``forms`` of the first holds the
    others. ``evidence`` says which measurement of the probe bears a finding out. ``gives_way`` are
    the ids of rules that say more about a layer: where one of these fires, this one is silent.
    """

    id: str
    name: str
    severity: Severity
    summary: str
    match: tuple[Capture, ...]
    where: tuple[Condition, ...]
    unless: tuple[Exception_, ...]
    report: ReportAt
    docs: Docs
    bad: tuple[Example, ...]
    good: tuple[Example, ...]
    over: str = "ops"
    enabled: bool = True
    downgrade: tuple[Downgrade, ...] = ()
    fix: FixRecipe | None = None
    convention: Convention | None = None
    location: Location | None = None
    form: str = ""
    forms: tuple[Rule, ...] = ()
    evidence: EvidenceFrom | None = None
    gives_way: tuple[str, ...] = ()

    @property
    def fix_safety(self) -> str:
        """How safe the fix of the rule, or else of one of its forms, is; empty without a fix."""
        return next((rule.fix.safety for rule in (self, *self.forms) if rule.fix), "")

    def alone(self) -> tuple[Rule, ...]:
        """Each form of the rule as a rule by itself."""
        return (replace(self, forms=()), *self.forms)
