"""What bnlint tells without linting: a rule's page, the rules, the classified graph of a model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bnlint.cache import Store
from bnlint.config import Settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Report
from bnlint.domain.rule import Rule
from bnlint.engine.explain import OWN_RULES
from bnlint.pipeline.check_words import check_layers
from bnlint.pipeline.paths import Paths
from bnlint.pipeline.rules import RuleSet, read_rule_files
from bnlint.report import RuleInfo
from bnlint.report.drawing import drawn


def known_rules(settings: Settings) -> tuple[Rule, ...]:
    """Every rule of the run: bnlint's and the user's, by id."""
    return _rules(settings).known


def _rules(settings: Settings) -> RuleSet:
    store = Store(Path(settings.cache_dir) if settings.cache else None)
    return read_rule_files(settings).load(settings, store)


def explain(settings: Settings, word: str) -> str:
    """The page of the rule with this id or name; raises UsageError for an unknown one."""
    from bnlint.engine.explain import explain as page
    from bnlint.engine.vocabulary import did_you_mean

    rules = (*known_rules(settings), *OWN_RULES)
    found = [r for r in rules if word.upper() == r.id or word.lower() == r.name]
    if not found:
        words = [w for r in rules for w in (r.id, r.name)]
        raise UsageError(Mistake(f"no rule is called '{word}'", hint=did_you_mean(word, words)))
    return page(found[0])


def rule_infos(settings: Settings) -> Mapping[str, RuleInfo]:
    """What formats show about each rule, by id."""
    return {rule.id: _info(rule) for rule in (*known_rules(settings), *OWN_RULES)}


def weights(settings: Settings) -> Mapping[str, str]:
    """What each rule weighs in a run with these settings, by id: a severity, or off."""
    rules = _rules(settings)
    run = {rule.id: rule.severity for rule in rules.chosen} | dict(rules.own())
    return {id_: run[id_].value if id_ in run else "off" for id_ in rules.names}


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
        rule.enabled,
    )


@dataclass(frozen=True, slots=True)
class GraphPage:
    """Every model as a chain of classified operations, and what could not be traced."""

    text: str
    unseen: Report


def show_graphs(settings: Settings) -> GraphPage:
    """The classified graphs of every model of the paths, and the problems met on the way."""
    from bnlint.pipeline import find_sources, trace
    from bnlint.pipeline.files import Files

    check_layers(settings)
    paths = Paths(Path.cwd(), Path(settings.root))
    sources = find_sources(settings, paths)
    files = Files(settings, paths, Store(None))
    work = files.plan(sources.files, read_rule_files(settings))
    with ExitStack() as stack:
        outcomes = list(trace(settings, work, stack))
    problems = [*sources.problems, *(paths.problem(p) for o in outcomes for p in o.problems)]
    pages = [drawn(graph) for outcome in outcomes for graph in outcome.graphs]
    return GraphPage("\n\n".join(pages), Report(problems=tuple(problems), by_hand=sources.by_hand))
