"""The one line that sums a run up, honest about what it could not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from bnlint.domain.finding import ProblemKind, Report, Severity
from bnlint.domain.graph import Trace
from bnlint.report.options import RenderOptions
from bnlint.report.style import paint

_FEW = 3


def summary(report: Report, options: RenderOptions) -> str:
    """How many models were checked and not, the findings, and which rules were blind."""
    parts = [_checked(report), _findings(report, options)]
    parts += [f"{n} {word}" for n, word in _held_back(report) if n]
    return ", ".join(part for part in parts if part) + _blind(report)


def counts(report: Report) -> dict[str, int]:
    """Findings by severity, the heaviest first; severities without findings are there too."""
    found = Counter(finding.severity for finding in report.findings)
    return {severity.value: found[severity] for severity in Severity}


def refusals(trace: Trace) -> Iterator[str]:
    """Each tracer that gave up, with each reason once: a block that stands 30 times refuses 30."""
    same = Counter((refusal.tracer, refusal.reason) for refusal in trace.refusals)
    for (tracer, reason), number in same.items():
        often = f" ({number} times)" if number > 1 else ""
        yield f"{tracer} refused{often}: {reason}"


def plural(number: int, noun: str) -> str:
    """``1 model``, ``2 models``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _checked(report: Report) -> str:
    missed = sum(p.blocking or p.kind in _MISSED for p in report.problems)
    text = f"{plural(len(report.models), 'model')} checked"
    if missed:
        text += f", {missed} not checked"
    if report.skipped:
        text += f", {plural(report.skipped, 'file')} without models skipped"
    return text


_MISSED = (ProblemKind.NOT_BUILT, ProblemKind.UNTRACEABLE)


def _findings(report: Report, options: RenderOptions) -> str:
    total = len(report.findings)
    if not total:
        return paint("no findings", "good" if report.models else "dim", options.colour)
    each = [f"{n} {word}" for word, n in _named(counts(report))]
    heaviest = report.worst()
    style = heaviest.value if heaviest else "bold"
    return paint(plural(total, "finding"), style, options.colour) + f" ({', '.join(each)})"


def _named(found: dict[str, int]) -> Iterable[tuple[str, int]]:
    """Severities that occurred, in the plural where there are several."""
    for severity, number in found.items():
        if number:
            yield severity + ("s" if number > 1 and severity != "info" else ""), number


def _held_back(report: Report) -> tuple[tuple[int, str], ...]:
    return (
        (report.suppressed, "suppressed"),
        (report.baselined, "in the baseline"),
        (report.unchanged, "not of the changed lines"),
    )


def _blind(report: Report) -> str:
    """``; blind without an input: BN201 and BN202, try --input``: no green run is hollow.

    It names rules and not how often they were blind: one part that nobody could see into makes
    every question about it open, which says no more than that part does.
    """
    rules = [undecided.rule for undecided in report.undecided]
    if not rules:
        return ""
    where, hint = _why(report)
    return f"; blind {where}: {_together(rules)}, {hint}"


def _why(report: Report) -> tuple[str, str]:
    """What the rules were blind for, and what to do about it."""
    if any(model.ref.inputs.source == "none" for model in report.models):
        return "without an input", "try --input"
    if any(not model.trace.complete for model in report.models):
        return "where a part was not seen", "see -v"
    return "in places", "see -v"


def _together(words: list[str]) -> str:
    """``BN201``, ``BN201 and BN205``, ``BN201, BN202, BN203 and 4 rules more``."""
    if len(words) > _FEW + 1:
        return f"{', '.join(words[:_FEW])} and {len(words) - _FEW} rules more"
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
