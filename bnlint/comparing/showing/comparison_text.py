"""Comparisons as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.comparing.showing.answers_in_words import (
    cost_lines,
    findings_lines,
    function_lines,
    graph_lines,
    heading,
    verdict_words,
)
from bnlint.comparing.showing.checkpoint_in_words import checkpoint_lines
from bnlint.domain.model_comparison import ComparisonReport, ModelComparison
from bnlint.domain.phrases import plural
from bnlint.report import RenderOptions
from bnlint.report.formats.text import problem_lines
from bnlint.report.lines import paint, plain

_STYLES = {
    "identical": "good",
    "same-function": "good",
    "changed": "warning",
    "removed": "warning",
    "added": "info",
    "not-compared": "info",
}


def render(report: ComparisonReport, options: RenderOptions) -> str:
    """A block for each model that changed, one line for those that did not, and problems."""
    lines: list[str] = []
    for each in report.comparisons:
        lines += _block(each, options)
    for problem in report.problems:
        lines += problem_lines(problem, options)
    lines.append(_summary(report))
    return "".join(f"{line}\n" for line in lines)


def _block(each: ModelComparison, options: RenderOptions) -> Iterator[str]:
    word = paint(verdict_words(each), _STYLES[each.verdict], options.colour)
    yield f"{paint(plain(heading(each, options)), 'bold', options.colour)}  {word}"
    sections = {
        "checkpoint": checkpoint_lines(each),
        "function": function_lines(each, options),
        "graph": graph_lines(each, options),
        "cost": cost_lines(each),
        "findings": findings_lines(each, options),
    }
    for name, lines in sections.items():
        for n, line in enumerate(lines):
            yield f"  {name if n == 0 else '':11} {plain(line)}".rstrip()


def _summary(report: ComparisonReport) -> str:
    counts: dict[str, int] = {}
    for each in report.comparisons:
        counts[each.verdict] = counts.get(each.verdict, 0) + 1
    if not counts:
        return "no model differs" if not report.problems else "no model compared"
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"{plural(len(report.comparisons), 'model')} compared: {said}"
