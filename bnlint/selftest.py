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
from bnlint.domain.rule import Condition, Example, Rule
from bnlint.engine.catalogue import load_rules
from bnlint.engine.check import check_graph
from bnlint.engine.explain import whole

Tracer = Callable[[str, str], Sequence[ModelGraph]]
"""(code, file name) to the models in it; raises when there are none."""

T = TypeVar("T")
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
    """A traced example with what it expects."""

    example: Example
    bad: bool
    name: str
    graphs: tuple[ModelGraph, ...]
    expected: frozenset[tuple[str, int]]
    weights: dict[tuple[str, int], str]


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
        failures += _wrong_hits(rule, case, [rule, *watching])
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
        code = whole(example)
        try:
            hits = expectations(code)
            graphs = tuple(tracer(code, name))
        except Exception as error:  # the example is the user's code: anything may happen
            failures.append(Failure(f"{_title(kind, example)}: {error}", example.location))
            continue
        if not graphs:
            failures.append(Failure(f"{_title(kind, example)}: no model", example.location))
        expected = frozenset((id, line) for id, line, _ in hits)
        weights = {(id, line): weight for id, line, weight in hits if weight}
        yield _Case(example, kind == "bad", name, graphs, expected, weights)


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


def _wrong_hits(rule: Rule, case: _Case, rules: Sequence[Rule]) -> Iterator[Failure]:
    found = _hits(case, rules)
    title = _title("bad" if case.bad else "good", case.example)
    if case.bad is not any(id == rule.id for id, _ in case.expected):
        what = "marks no line" if case.bad else "marks a line"
        yield Failure(f"{title} {what} with '# expect: {rule.id}'", case.example.location)
    known = {r.id for r in rules}
    for id, line in sorted(case.expected - found.keys()):
        why = "is silent" if id in known else "is not among the rules"
        yield Failure(f"{title}: {id} {why} on line {line}", case.example.location)
    for id, line in sorted(found.keys() - case.expected):
        yield Failure(f"{title}: {id} fires on line {line}", case.example.location)
    for key, weight in case.weights.items():
        if key in found and found[key] != weight:
            text = f"{title}: {key[0]} on line {key[1]} is {found[key]}, not {weight}"
            yield Failure(text, case.example.location)


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
    yield from _without_one_alternative(rule)


def _without_one_alternative(rule: Rule) -> Iterator[tuple[str, Location | None, Rule]]:
    for gone, where in _thinned(rule.where):
        yield f"alternative {gone}", gone.location, replace(rule, where=where)
    for n, excuse in enumerate(rule.unless):
        for gone, left in _thinned(excuse.conditions):
            unless = (*rule.unless[:n], replace(excuse, conditions=left), *rule.unless[n + 1 :])
            yield f"alternative {gone}", gone.location, replace(rule, unless=unless)
    for n, softer in enumerate(rule.downgrade):
        for gone, left in _thinned(softer.conditions):
            downgrade = list(rule.downgrade)
            downgrade[n] = replace(softer, conditions=left)
            without = replace(rule, downgrade=tuple(downgrade))
            yield f"alternative {gone}", gone.location, without


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


def _title(kind: str, example: Example) -> str:
    return f"{kind} example {example.title!r}" if example.title else f"a {kind} example"
