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
    return (report.suppressed, "suppressed"), (report.baselined, "in the baseline")


def _blind(report: Report) -> str:
    """``; blind: BN201 4x (no input known)``, so that a green run is never hollow."""
    if not report.undecided:
        return ""
    worst = sorted(report.undecided, key=lambda u: (-u.count, u.rule))
    named = [f"{u.rule} {u.count}x" for u in worst[:_FEW]]
    more = f" and {plural(len(worst) - _FEW, 'rule')} more" if len(worst) > _FEW else ""
    without = any(model.ref.inputs.source == "none" for model in report.models)
    why = ", no input known: try --input" if without else ", see -v"
    return f"; blind: {', '.join(named)}{more}{why}"
