"""What the commands about rules print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.config import Settings
from bnlint.domain.errors import Mistake
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import TraceRequest
from bnlint.engine.catalogue import built_in_files, rule_files
from bnlint.pipeline.inform import known_rules, rule_infos
from bnlint.report.summary import plural

if TYPE_CHECKING:
    from bnlint.isolation.pool import Pool


def listing(settings: Settings) -> str:
    """All rules, one a line: id, name, severity, summary."""
    off = {rule.id for rule in known_rules(settings) if not rule.enabled}
    rows = rule_infos(settings).values()
    width = max((len(row.name) for row in rows), default=0)
    lines = []
    for row in rows:
        weight = "off" if row.id in off else row.severity.value
        lines.append(f"{row.id}  {row.name:{width}}  {weight:7}  {row.summary}")
    return "\n".join(lines)


def self_test(settings: Settings, patterns: Sequence[str]) -> tuple[str, bool]:
    """What testing the rule files (default: the built-in ones) brought, and whether all passed."""
    from bnlint.isolation.pool import Pool
    from bnlint.selftest import test_rules

    files = rule_files(patterns, Path.cwd()) if patterns else built_in_files()
    with Pool(1, settings.timeout, settings.max_memory) as pool:
        results = test_rules(files, tracer(pool), others=known_rules(settings))
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
