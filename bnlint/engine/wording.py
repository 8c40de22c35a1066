"""Matches that fire, put into words: message, places, severity, remedy, and conventions.

``{capture.fact}`` in a message is replaced once, in one flat substitution: never an attribute or a
format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from bnlint.domain.finding import Finding, Measurable, Related, Remedy, Severity
from bnlint.domain.graph import Location, ModelRef, ModuleInfo, Op, Subject, Value, name_of
from bnlint.domain.naming import described
from bnlint.domain.phrases import percent
from bnlint.domain.rule import Rule
from bnlint.engine.conditions import Match, Scope, decide_all
from bnlint.graph.facts import Answer, Facts, Unknown
from bnlint.graph.view import layer_key

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\.([a-z0-9-]+)\}")
_SHARES = frozenset({"init-dead-share", "init-starting-dead", "init-dead-by-bias"})
"""Facts from 0 to 1 that messages show in percent."""
SHOWN = 5
"""Findings that the one about a convention lists."""


def write_finding(rule: Rule, scope: Scope) -> Finding:
    """The finding about one match."""
    ref = scope.facts.view.graph.ref
    at = scope.match[rule.report.at]
    call = None if isinstance(at, ModuleInfo) else at.call
    return Finding(
        rule=rule.id,
        name=rule.name,
        severity=severity_of(rule, scope),
        message=fill(rule.report.message, _Namer(scope, ref)) + _assumptions(rule, scope, ref),
        location=place_of(at, ref, rule.report.place),
        model=ref.name,
        layer=name_of(at),
        related=tuple(_related(scope.match[name], ref) for name in rule.report.related),
        anchors=tuple(filter(None, (call, ref.definition))),
        remedy=_remedy(rule, scope),
        measurable=_measurable(rule, scope),
        guessed=bool(ref.guessed),
    )


def built_by(subject: Subject) -> str:
    """The library that built a layer, which users cannot fix; none if the forward fails there."""
    if isinstance(subject, Op) and subject.error is not None:
        return ""
    return str(subject.facts.get("library", ""))


def place_of(subject: Subject, ref: ModelRef, place: str = "layer") -> Location:
    """Where the layer is constructed or called, as ``place`` says, else its model's definition.

    A function has the place of its call only.
    """
    own = subject.construction if isinstance(subject, ModuleInfo) else subject.location
    if place == "call" and isinstance(subject, Op):
        own = subject.call or own
    return own or ref.definition or Location(ref.file, 1)


def severity_of(rule: Rule, scope: Scope) -> Severity:
    """The severity of a finding: that of the rule, unless something lowers it."""
    if built_by(scope.match[rule.report.at]):
        return Severity.INFO
    for downgrade in rule.downgrade:
        if decide_all(downgrade.conditions, scope.resolve) is not False:
            return max(rule.severity, downgrade.severity, key=lambda s: s.rank)
    return rule.severity


class _Namer:
    """Looks up the facts of a message; the path of a layer comes with its class the first time."""

    def __init__(self, scope: Scope, ref: ModelRef) -> None:
        self._scope, self._ref = scope, ref
        self._named: set[str] = set()

    def __call__(self, subject: str, fact: str) -> Answer:
        bound = self._scope.match.get(subject)
        if fact != "path" or bound is None:
            answer = self._scope.look_up(subject, fact)
            return percent(answer) if fact in _SHARES and isinstance(answer, float) else answer
        again = subject in self._named
        self._named.add(subject)
        return described(bound, self._ref, again)


def _related(subject: Subject, ref: ModelRef) -> Related:
    place = subject.construction if isinstance(subject, ModuleInfo) else subject.location
    return Related(name_of(subject), place, described(subject, ref))


def _assumptions(rule: Rule, scope: Scope, ref: ModelRef) -> str:
    """Says so when the finding depends on something that bnlint guessed."""
    library = built_by(scope.match[rule.report.at])
    said = f" (built by {library}, not by this code)" if library else ""
    if ref.inputs.source == "inferred" and _from_shapes(rule, scope):
        shapes = ", ".join(shown(shape) for shape in ref.inputs.shapes)
        said += f" (for a guessed input{' of ' + shapes if shapes else ''})"
    if ref.guessed:
        said += f" (the model was built with guessed arguments: {', '.join(ref.guessed)})"
    return said


def _from_shapes(rule: Rule, scope: Scope) -> bool:
    """True when a fact that must hold, or that the message shows, comes from traced shapes.

    Excuses do not count: the finding does not depend on them.
    """
    asked = {(o.subject, o.fact) for c in rule.where for o in c.operands()}
    asked.update(placeholders(rule.report.message))
    return any(scope.from_shapes(subject, fact) for subject, fact in asked)


def _remedy(rule: Rule, scope: Scope) -> Remedy | None:
    """The fix with its layers named; none when a value of it is unknown."""
    if rule.fix is None or any(built_by(scope.match[name]) for name in rule.fix.roles.values()):
        return None
    values: dict[str, Value] = {}
    for name, operand in rule.fix.arguments.items():
        answer = scope.resolve(operand)
        if isinstance(answer, Unknown):
            return None
        values[name] = answer
    bound = {role: scope.match[capture] for role, capture in rule.fix.roles.items()}
    layers = {role: name_of(subject) for role, subject in bound.items()}
    ops = {role: subject.id for role, subject in bound.items() if isinstance(subject, Op)}
    return Remedy(rule.fix.action, rule.fix.safety, layers, values, ops)


def _measurable(rule: Rule, scope: Scope) -> Measurable | None:
    """What the probe can measure for the finding, and on which layers."""
    if rule.evidence is None:
        return None
    names = [rule.evidence.of] if rule.evidence.of else [rule.report.at, *rule.report.related]
    return Measurable(rule.evidence.measure, tuple(_call(scope.match[name]) for name in names))


def _call(subject: Subject) -> tuple[str, int]:
    """A layer and which call of it an op is."""
    return name_of(subject), subject.number if isinstance(subject, Op) else 0


def fold(
    rule: Rule, facts: Facts, matches: Sequence[Match], findings: Sequence[Finding]
) -> Finding | None:
    """The one finding that replaces all, or None where they are not a convention."""
    convention = rule.convention
    if convention is None or not findings:
        return None
    tags = next(c.tags for c in rule.match if c.name == convention.of)
    count = len({place_key(match[convention.of]) for match in matches})
    total = len({layer_key(op) for op in facts.view.fitting(tags)})
    if count < convention.at_least or count < convention.share * total:
        return None
    numbers = {"count": count, "total": total, "share": round(count / total, 2)}

    def look_up(subject: str, fact: str) -> Answer:
        return numbers[fact] if subject == "convention" else facts.model(fact)

    first, ref = findings[0], facts.view.graph.ref
    own = not all(built_by(match[rule.report.at]) for match in matches)
    return replace(
        first,
        severity=(convention.severity or first.severity) if own else Severity.INFO,
        message=fill(convention.message, look_up),
        location=ref.definition or first.location,
        layer="",
        related=tuple(Related(f.layer, f.location, f.message) for f in findings[:SHOWN]),
        remedy=None,
        measurable=None,
    )


def place_key(subject: Subject) -> str:
    """What is reported once: a layer, however often it is called; a function, by its op."""
    return layer_key(subject) if isinstance(subject, Op) else subject.path


def placeholders(text: str) -> tuple[tuple[str, str], ...]:
    """The (subject, fact) pairs that a message asks for."""
    return tuple((m[1], m[2]) for m in _PLACEHOLDER.finditer(text))


def fill(text: str, look_up: Callable[[str, str], Answer]) -> str:
    """The message with every placeholder replaced once; what comes in is not scanned again."""
    return _PLACEHOLDER.sub(lambda m: shown(look_up(m[1], m[2])), text)


def shown(answer: Answer) -> str:
    """A fact as people write it: 3x3, 0.8, True, an unknown as '?'."""
    if isinstance(answer, Unknown):
        return "?"
    if isinstance(answer, tuple):
        numbers = bool(answer) and all(isinstance(v, int) for v in answer)
        return ("x" if numbers else ", ").join(shown(v) for v in answer)
    return f"{answer:g}" if isinstance(answer, float) else str(answer)
