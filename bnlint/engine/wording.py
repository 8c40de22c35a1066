"""A match that fires, put into words: message, places, severity, remedy."""

from __future__ import annotations

from bnlint.domain.finding import Finding, Related, Remedy, Severity
from bnlint.domain.graph import Location, ModelRef, ModuleInfo, Op, Value
from bnlint.domain.rule import Rule
from bnlint.engine.conditions import decide_all
from bnlint.engine.match import Subject
from bnlint.engine.placeholders import fill, shown
from bnlint.engine.scope import Scope, name_of
from bnlint.graph.facts import Unknown


def write_finding(rule: Rule, scope: Scope) -> Finding:
    """The finding about one match."""
    ref = scope.facts.view.graph.ref
    at = scope.match[rule.report.at]
    return Finding(
        rule=rule.id,
        name=rule.name,
        severity=_severity(rule, scope),
        message=fill(rule.report.message, scope.look_up) + _assumptions(rule, scope, ref),
        location=place_of(at, ref),
        model=ref.name,
        layer=name_of(at),
        related=tuple(_related(scope.match[name]) for name in rule.report.related),
        anchors=_anchors(at, ref),
        remedy=_remedy(rule, scope),
    )


def place_of(subject: Subject, ref: ModelRef) -> Location:
    """Where the layer is constructed (a function: called), else where its model is defined."""
    own = subject.construction if isinstance(subject, ModuleInfo) else subject.location
    return own or ref.definition or Location(ref.file, 1)


def _anchors(at: Subject, ref: ModelRef) -> tuple[Location, ...]:
    """The other lines at which a suppression comment counts: the call, the model's definition."""
    call = None if isinstance(at, ModuleInfo) else at.call
    return tuple(place for place in (call, ref.definition) if place is not None)


def _severity(rule: Rule, scope: Scope) -> Severity:
    for downgrade in rule.downgrade:
        if decide_all(downgrade.conditions, scope.resolve) is not False:
            return max(rule.severity, downgrade.severity, key=lambda s: s.rank)
    return rule.severity


def _related(subject: Subject) -> Related:
    kind = subject.types[0].rpartition(".")[2] if subject.types else subject.kind
    place = subject.construction if isinstance(subject, ModuleInfo) else subject.location
    return Related(name_of(subject), place, f"{name_of(subject)} is this {kind}")


def _assumptions(rule: Rule, scope: Scope, ref: ModelRef) -> str:
    """Says so when the finding hangs on something that bnlint made up."""
    said = ""
    if ref.inputs.source == "inferred" and scope.hangs_on_shapes(rule):
        shapes = ", ".join(shown(shape) for shape in ref.inputs.shapes)
        said += f" (for an inferred input{' of ' + shapes if shapes else ''})"
    if ref.guessed:
        said += f" (the model was built with guessed arguments: {', '.join(ref.guessed)})"
    return said


def _remedy(rule: Rule, scope: Scope) -> Remedy | None:
    """The fix with its layers named; none when a value of it is unknown."""
    if rule.fix is None:
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
