"""What the commands about rules print."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.config import Settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.graph import ModelGraph
from bnlint.domain.phrases import below, plural
from bnlint.domain.request import TraceOutcome, TraceRequest
from bnlint.domain.rule import Rule
from bnlint.engine.catalogue import built_in_files, load_rules, rule_files
from bnlint.pipeline import handbook, known_rules, rule_infos, weights

if TYPE_CHECKING:
    from bnlint.selftest import RuleResult


def listing(settings: Settings, format: str = "text") -> str:
    """All rules: one a line (id, name, severity with these settings, summary), markdown or JSON."""
    if format == "markdown":
        return handbook.markdown(settings).rstrip("\n")
    if format == "json":
        return json.dumps(handbook.data(settings), indent=2)
    rows, weighs = rule_infos(settings).values(), weights(settings)
    width = max((len(row.name) for row in rows), default=0)
    return "\n".join(
        f"{row.id}  {row.name:{width}}  {weighs[row.id]:7}  {row.summary}" for row in rows
    )


def write_pages(settings: Settings, format: str, folder: str) -> str:
    """Write a page for each rule and metric into a folder; returns what was done.

    Raises
    ------
    UsageError
        When the format has no pages, or the folder cannot be written.

    """
    if format != "markdown":
        raise UsageError(Mistake("--output-dir writes pages", hint="add --format markdown"))
    pages = handbook.pages(settings)
    try:
        for name, text in pages.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output-dir {folder}: {error.strerror or error}") from None
    return f"{plural(len(pages), 'page')} written to {folder}"


def schema_text() -> str:
    """The JSON Schema of rule files."""
    from bnlint.engine.rule_file import schema

    return json.dumps(schema(), indent=2)


def self_test(settings: Settings, patterns: Sequence[str]) -> tuple[str, bool]:
    """The result of testing rule files (default: the built-in ones), and whether all passed."""
    from bnlint.selftest import test_rules

    files = rule_files(patterns, Path.cwd()) if patterns else built_in_files()
    outcomes = _trace_examples(load_rules(files), settings)

    def traced(_: str, name: str) -> Sequence[ModelGraph]:
        return _models(outcomes[name])

    results = test_rules(files, traced, others=known_rules(settings))
    lines = [line for result in results for line in _result(result)]
    examples = sum(result.examples for result in results)
    failed = sum(bool(result.failures) for result in results)
    said = (plural(len(results), "rule"), plural(examples, "example"), f"{failed} failed")
    return "\n".join((*lines, ", ".join(said))), not failed


def _result(result: RuleResult) -> Iterator[str]:
    """One line for a rule, then one for each failure, with its place."""
    word = "FAILED" if result.failures else f"{plural(result.examples, 'example')} passed"
    yield f"{result.rule} {result.name}: {word}"
    for failure in result.failures:
        at = failure.location
        shown = at and replace(at, path=below(at.path, Path.cwd()))
        yield f"    {Mistake(failure.message, shown)}"


def _trace_examples(rules: Sequence[Rule], settings: Settings) -> dict[str, TraceOutcome]:
    from bnlint.engine.explain import whole
    from bnlint.isolation.jobs import Limits
    from bnlint.isolation.pool import Pool
    from bnlint.selftest import example_files

    named = {
        name: whole(example)
        for rule in rules
        for form in rule.alone()
        for _, name, example in example_files(form)
    }
    here = Path.cwd()
    requests = [
        TraceRequest(str(here / name), text=code, real_weights=True) for name, code in named.items()
    ]
    with Pool.within(Limits.of(settings), settings.jobs or os.cpu_count() or 1) as pool:
        return dict(zip(named, pool.trace(requests), strict=True))


def _models(outcome: TraceOutcome) -> Sequence[ModelGraph]:
    """The models of an example; raises ValueError with the reason when there are none."""
    for problem in outcome.problems:
        if problem.blocking or not outcome.graphs:
            place = f"line {problem.line}: " if problem.line else ""
            raise ValueError(place + problem.message)
    return outcome.graphs
