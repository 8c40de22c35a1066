"""Rules tested by their own examples: what each must report, and that each condition is needed."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from bnlint.config import Settings
from bnlint.domain.graph import Location, ModelGraph, Value
from bnlint.domain.rule import Condition, Downgrade, Example, Exception_, Rule
from bnlint.engine.catalogue import load_rules
from bnlint.engine.check import check_graph
from bnlint.engine.explain import whole

Tracer = Callable[[str, str], Sequence[ModelGraph]]
"""(code, file name) to the models in it; raises when there are none."""

T = TypeVar("T")
P = TypeVar("P", bound=Exception_ | Downgrade)
Conditions = tuple[Condition, ...]
Hit = tuple[str, int, str]
"""A rule, a line of the example, and the severity; an empty severity means the rule's own."""

_EXPECT = re.compile(r"#\s*expect:\s*(.+?)\s*$")
_ONE = re.compile(r"([A-Z]+[0-9]+)(?:\((error|warning|info)\))?\Z")
_DEFAULTS: dict[str, Value] = Settings().for_rules()


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that a rule's own test found wrong, and where in the rule file."""

    message: str
    location: Location | None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of one rule's own test; no failures means that it passed."""

    rule: str
    examples: int
    failures: tuple[Failure, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Case:
    """A traced example with what it expects: the severity, or nothing, by rule and line."""

    title: str
    bad: bool
    example: Example
    graphs: tuple[ModelGraph, ...]
    expected: dict[tuple[str, int], str]


def test_rules(
    paths: Sequence[Path],
    tracer: Tracer,
    *,
    others: Sequence[Rule] = (),  # noqa: PT028
) -> tuple[RuleResult, ...]:
    """The result of each rule in ``paths``, tried on its own examples.

    ``others`` are rules that must stay silent on the examples too (the built-in ones, when a
    user's own rules are tested). A broken rule file raises :class:`RuleError`.
    """
    rules = load_rules(paths)
    ids = {rule.id for rule in rules}
    company = (*rules, *(rule for rule in others if rule.id not in ids))
    return tuple(check_rule(form, company, tracer) for rule in rules for form in rule.alone())


test_rules.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it by its name


def check_rule(rule: Rule, company: Sequence[Rule], tracer: Tracer) -> RuleResult:
    """The result of one rule, with the rules of ``company`` watching its examples."""
    failures: list[Failure] = []
    cases = list(_cases(rule, tracer, failures))
    for kind, examples in (("bad", rule.bad), ("good", rule.good)):
        if not examples:
            failures.append(Failure(f"there is no {kind} example", rule.location))
    watching = [other for other in company if other.enabled and other.id != rule.id]
    for case in cases:
        said = _wrong_hits(rule, case, [rule, *watching])
        failures += (Failure(f"{case.title}{text}", case.example.location) for text in said)
    if not failures:
        failures += _needless_parts(rule, cases)
    return RuleResult(rule.id, len(cases), tuple(failures), rule.name)


def example_files(rule: Rule) -> Iterator[tuple[str, str, Example]]:
    """The kind (bad, good), the file name and the example, in the order in which they are tried."""
    for kind, examples in (("bad", rule.bad), ("good", rule.good)):
        for number, example in enumerate(examples):
            yield kind, f"{rule.id}{rule.form}_{kind}_{number}.py", example


def _cases(rule: Rule, tracer: Tracer, failures: list[Failure]) -> Iterator[_Case]:
    for kind, name, example in example_files(rule):
        title = f"{kind} example {example.title!r}" if example.title else f"a {kind} example"
        code = whole(example)
        try:
            expected = {(id, line): weight for id, line, weight in expectations(code)}
            graphs = tuple(tracer(code, name))
        except Exception as error:  # the example is the user's code: anything may happen
            failures.append(Failure(f"{title}: {error}", example.location))
            continue
        if not graphs:
            failures.append(Failure(f"{title}: no model", example.location))
        yield _Case(title, kind == "bad", example, graphs, expected)


def expectations(code: str) -> tuple[Hit, ...]:
    """What the ``# expect: BN101, BN105(info)`` comments of ``code`` ask for.

    Raises :class:`ValueError` for a comment that names no rule.
    """
    found: list[Hit] = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        comment = _EXPECT.match(token.string) if token.type == tokenize.COMMENT else None
        for word in comment[1].split(",") if comment else ():
            one = _ONE.match(word.strip())
            if one is None:
                raise ValueError(f"line {token.start[0]}: {word.strip()!r} is no expectation")
            found.append((one[1], token.start[0], one[2] or ""))
    return tuple(found)


def _hits(case: _Case, rules: Sequence[Rule]) -> dict[tuple[str, int], str]:
    settings = {**_DEFAULTS, **case.example.settings}
    found = (f for g in case.graphs for f in check_graph(g, rules, settings).findings)
    return {(f.rule, f.location.line): f.severity.value for f in found}


def _wrong_hits(rule: Rule, case: _Case, rules: Sequence[Rule]) -> Iterator[str]:
    found, known = _hits(case, rules), {r.id for r in rules}
    if case.bad is not any(id == rule.id for id, _ in case.expected):
        what = "marks no line" if case.bad else "marks a line"
        yield f" {what} with '# expect: {rule.id}'"
    for id, line in sorted(case.expected.keys() - found.keys()):
        why = "is silent" if id in known else "is not among the rules"
        yield f": {id} {why} on line {line}"
    for id, line in sorted(found.keys() - case.expected.keys()):
        yield f": {id} fires on line {line}"
    for (id, line), weight in case.expected.items():
        seen = found.get((id, line))
        if seen and weight and seen != weight:
            yield f": {id} on line {line} is {seen}, not {weight}"


def _needless_parts(rule: Rule, cases: Sequence[_Case]) -> Iterator[Failure]:
    """Every part that can be taken out without any example noticing."""
    before = [_hits(case, [rule]) for case in cases]
    for what, location, without in _without_one(rule):
        if all(_hits(case, [without]) == was for case, was in zip(cases, before, strict=True)):
            yield Failure(f"no example needs {what}", location or rule.location)


def _without_one(rule: Rule) -> Iterator[tuple[str, Location | None, Rule]]:
    for condition, where in _less(rule.where):
        yield f"where {condition}", condition.location, replace(rule, where=where)
    for excuse, unless in _less(rule.unless):
        yield f"unless {excuse.because!r}", excuse.location, replace(rule, unless=unless)
    for softer, rest in _less(rule.downgrade):
        yield f"downgrade {softer.because!r}", None, replace(rule, downgrade=rest)
    if rule.convention:
        yield "the convention", None, replace(rule, convention=None)
    for gone, where in _thinned(rule.where):
        yield f"alternative {gone}", gone.location, replace(rule, where=where)
    for gone, unless in _thinned_parts(rule.unless):
        yield f"alternative {gone}", gone.location, replace(rule, unless=unless)
    for gone, downgrade in _thinned_parts(rule.downgrade):
        yield f"alternative {gone}", gone.location, replace(rule, downgrade=downgrade)


def _thinned_parts(parts: tuple[P, ...]) -> Iterator[tuple[Condition, tuple[P, ...]]]:
    for n, part in enumerate(parts):
        for gone, rest in _thinned(part.conditions):
            yield gone, (*parts[:n], replace(part, conditions=rest), *parts[n + 1 :])


def _thinned(conditions: Conditions) -> Iterator[tuple[Condition, Conditions]]:
    """Each alternative of an ``any``, and the conditions without it."""
    for n, condition in enumerate(conditions):
        for gone, rest in _less(condition.alternatives):
            thinner = replace(condition, alternatives=rest)
            yield gone, (*conditions[:n], thinner, *conditions[n + 1 :])


def _less(items: tuple[T, ...]) -> Iterator[tuple[T, tuple[T, ...]]]:
    """Each item, and the others."""
    for n, item in enumerate(items):
        yield item, items[:n] + items[n + 1 :]
