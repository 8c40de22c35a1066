"""How often each rule fired, for ``--statistics``."""

from __future__ import annotations

from collections import Counter

from bnlint.domain.finding import Report
from bnlint.report import RenderOptions
from bnlint.report.lines import paint, plain


def statistics(report: Report, options: RenderOptions) -> str:
    """One line a rule, the most frequent first: findings, rule, severity, name, fix.

    A rule that fires with several severities has a line for each.
    """
    groups = Counter((f.rule, f.severity, f.name) for f in report.findings)
    fixes = {f.rule: f.remedy.safety for f in report.findings if f.remedy}
    ordered = sorted(groups.items(), key=lambda each: (-each[1], each[0][1].rank, each[0][0]))
    width = max((len(rule) for rule, _, _ in groups), default=0)
    lines = []
    for (rule, severity, name), number in ordered:
        fix = f"  fix: {fixes[rule]}" if rule in fixes else ""
        word = paint(f"{severity.value:7}", severity.value, options.colour)
        lines.append(f"{number:>5}  {plain(rule):{width}}  {word}  {plain(name)}{fix}\n")
    return "".join(lines)
