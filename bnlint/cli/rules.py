"""What the commands about rules print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.cache import Store
from bnlint.config import Settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Severity
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import TraceRequest
from bnlint.domain.rule import Rule
from bnlint.engine.catalogue import LINTER_RULES, built_in_files, means, rule_files
from bnlint.engine.explain import explain
from bnlint.pipeline.rules import read_rule_files
from bnlint.report import RuleInfo
from bnlint.report.summary import plural

if TYPE_CHECKING:
    from bnlint.isolation.pool import Pool

_OWN = {
    "BN900": "a suppression comment that holds nothing back",
    "BN901": "a suppression comment that names no rule",
}


def infos(settings: Settings) -> Mapping[str, RuleInfo]:
    """Every rule that is known, bnlint's own included, as machines show it, by id."""
    found = {rule.id: _info(rule) for rule in _known(settings)}
    for id_, name in LINTER_RULES.items():
        found[id_] = RuleInfo(id_, name, Severity.WARNING, _OWN[id_])
    return found


def listing(settings: Settings) -> str:
    """All rules, one a line: id, name, severity, summary."""
    enabled = {rule.id: rule.enabled for rule in _known(settings)}
    rows = infos(settings).values()
    width = max((len(row.name) for row in rows), default=0)
    lines = []
    for row in rows:
        weight = row.severity.value if enabled.get(row.id, True) else "off"
        lines.append(f"{row.id}  {row.name:{width}}  {weight:7}  {row.summary}")
    return "\n".join(lines)


def page(settings: Settings, word: str) -> str:
    """The page of a rule by its id or name; raises UsageError with a suggestion."""
    known = _known(settings)
    for rule in known:
        if word.upper() == rule.id or word == rule.name:
            return explain(rule).rstrip("\n")
    for id_, name in LINTER_RULES.items():
        if word.upper() == id_ or word == name:
            return f"# {name} ({id_})\n\n{_OWN[id_]}"
    from bnlint.engine.vocabulary import did_you_mean

    starts = [rule.id for rule in known if means(word.upper(), rule.id, rule.name)]
    words = [word for rule in known for word in (rule.id, rule.name)]
    hint = f"rules that start so: {', '.join(starts)}" if starts else did_you_mean(word, words)
    raise UsageError(Mistake(f"no rule is called '{word}'", hint=hint))


def self_test(settings: Settings, patterns: Sequence[str]) -> tuple[str, bool]:
    """What testing the rule files (default: the built-in ones) brought, and whether all passed."""
    from bnlint.isolation.pool import Pool
    from bnlint.selftest import test_rules

    files = rule_files(patterns, Path.cwd()) if patterns else built_in_files()
    with Pool(1, settings.timeout, settings.max_memory) as pool:
        results = test_rules(files, tracer(pool), others=_known(settings))
    failures = [(result.rule, failure) for result in results for failure in result.failures]
    lines = [str(Mistake(f"{rule}: {f.message}", f.location)) for rule, f in failures]
    examples = sum(result.examples for result in results)
    failed = len({rule for rule, _ in failures})
    said = (plural(len(results), "rule"), plural(examples, "example"), f"{failed} failed")
    return "\n".join((*lines, ", ".join(said))), not failures


def tracer(pool: Pool) -> Callable[[str, str], Sequence[ModelGraph]]:
    """A function that traces the models of an example in a child process."""

    def trace(code: str, name: str) -> Sequence[ModelGraph]:
        request = TraceRequest(str(Path.cwd() / name), text=code, real_weights=True)
        (outcome,) = pool.trace([request])
        for problem in outcome.problems:
            if problem.blocking or not outcome.graphs:
                place = f"line {problem.line}: " if problem.line else ""
                raise ValueError(place + problem.message)
        return outcome.graphs

    return trace


def _known(settings: Settings) -> tuple[Rule, ...]:
    store = Store(Path(settings.cache_dir) if settings.cache else None)
    return read_rule_files(settings).load(settings, store).known


def _info(rule: Rule) -> RuleInfo:
    docs = rule.docs
    return RuleInfo(
        rule.id,
        rule.name,
        rule.severity,
        rule.summary,
        docs.why,
        docs.evidence,
        docs.instead,
        docs.references,
    )
