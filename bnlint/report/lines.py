"""Lines that several outputs share: styles of a terminal, plain text, the summary of a run.

The few escape codes are written here because importing rich takes longer than a whole run on
unchanged files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from bnlint.domain.finding import Problem, Report, Severity
from bnlint.domain.graph import Location, Trace
from bnlint.domain.phrases import listed, plural
from bnlint.report import RenderOptions

_FEW = 3
_STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "info": "1;36",
    "bold": "1",
    "dim": "2",
    "good": "1;32",
}
_CONTROL = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def paint(text: str, style: str, colour: bool) -> str:
    """The text in a style (a severity, bold, dim, good), or as it is without colour."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour and text else text


def linked(text: str, url: str) -> str:
    """The text as a link of a terminal (OSC 8), or as it is without an address."""
    return f"\x1b]8;;{plain(url)}\x1b\\{text}\x1b]8;;\x1b\\" if url else text


def plain(text: str) -> str:
    """The text on one line, control characters escaped: names come from users' files."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def place(at: Location | None, options: RenderOptions) -> str:
    """``net.py:12:5``, ``net.ipynb:cell 3:12:5``; empty without a path."""
    if not (at and at.path):
        return ""
    return f"{line_place(at, options)}:{at.column}"


def line_place(at: Location, options: RenderOptions) -> str:
    """``net.py:12``, ``net.ipynb:cell 3:12``."""
    return f"{options.relative(at.path)}:{_cell(at.cell)}{at.line}"


def problem_place(problem: Problem, options: RenderOptions) -> str:
    """``net.py:12``, ``net.ipynb:cell 3:12``; the path alone if no line is known."""
    path = options.relative(problem.file)
    return f"{path}:{_cell(problem.cell)}{problem.line}" if problem.line else path


def in_cell(at: Location) -> str:
    """``cell 3, line 12: `` for formats that know only lines of files; empty for other files."""
    return f"cell {at.cell}, line {at.line}: " if at.cell else ""


def in_file(at: Location) -> Location:
    """The place, or the begin of a notebook: its lines on disk are not those of its cells."""
    return Location(at.path, 1) if at.cell else at


def _cell(number: int) -> str:
    return f"cell {number}:" if number else ""


def of_model(name: str) -> str:
    """`` [Net]`` as what follows a message; empty without a name."""
    return f" [{name}]" if name else ""


def with_hint(problem: Problem) -> str:
    """The message of a problem, and its hint on a line of its own."""
    return f"{problem.message}\n{problem.hint}" if problem.hint else problem.message


def padding(line: str, column: int) -> str:
    """Blanks as wide as the text before ``column`` (1-based) on a terminal; tabs stay tabs."""
    return "".join(map(_blank, line[: column - 1]))


def _blank(char: str) -> str:
    if char.isascii():
        return "\t" if char == "\t" else " "
    import unicodedata

    if unicodedata.combining(char):
        return ""
    return "  " if unicodedata.east_asian_width(char) in "WF" else " "


def summary(report: Report, options: RenderOptions) -> str:
    """The one line about a run: models checked and missed, findings, rules without an answer."""
    hidden = {
        "suppressed": report.suppressed,
        "in the baseline": report.baselined,
        "not on changed lines": report.unchanged,
    }
    parts = [_checked(report), _findings(report, options)]
    parts += [f"{number} {word}" for word, number in hidden.items() if number]
    return ", ".join(parts) + _blind(report)


def fixable(report: Report) -> dict[str, int]:
    """How many findings have a fix that would be tried, by its safety.

    Hints (info) and notebooks are never edited, and what was refused once is not tried again.
    """
    refused = {(each.rule, each.layer, each.location.path) for each in report.refused_fixes}
    tried = Counter(
        f.remedy.safety
        for f in report.findings
        if f.remedy
        and f.severity is not Severity.INFO
        and not f.location.cell
        and (f.rule, f.layer, f.location.path) not in refused
    )
    return {safety: tried[safety] for safety in ("safe", "unsafe")}


def next_fixes(report: Report) -> str:
    """The sentence about fixes below a summary; empty where no finding has one."""
    safe, unsafe = fixable(report).values()
    if not safe + unsafe:
        return ""
    if not safe:
        return f"{plural(unsafe, 'fix', 'fixes')} available (`--fix --unsafe-fixes`)"
    more = f", {unsafe} more with `--unsafe-fixes`" if unsafe else ""
    return f"{plural(safe, 'fix', 'fixes')} available (`--fix`){more}"


def counts(report: Report) -> dict[str, int]:
    """The number of findings of each severity, the heaviest first; zeros are included."""
    found = Counter(finding.severity for finding in report.findings)
    return {severity.value: found[severity] for severity in Severity}


def refusals(trace: Trace) -> Iterator[str]:
    """Each tracer that gave up, each reason once, with how often it occurred."""
    same = Counter((refusal.tracer, refusal.reason) for refusal in trace.refusals)
    for (tracer, reason), number in same.items():
        often = f" ({number} times)" if number > 1 else ""
        yield f"the {tracer} tracer failed{often}: {reason}"


def _checked(report: Report) -> str:
    text = f"{plural(len(report.models), 'model')} checked"
    if missed := report.not_checked():
        text += f", {len(missed)} not checked"
    elif report.files > report.skipped and not report.models:
        text += f", {plural(report.files - report.skipped, 'file')} without models"
    if report.skipped:
        text += f", {plural(report.skipped, 'file')} without models skipped"
    return text


def _findings(report: Report, options: RenderOptions) -> str:
    found = {severity: number for severity, number in counts(report).items() if number}
    if not found:
        return paint("no findings", "good" if report.models else "dim", options.colour)
    each = [plural(n, word, "info" if word == "info" else "") for word, n in found.items()]
    total = paint(plural(len(report.findings), "finding"), next(iter(found)), options.colour)
    return f"{total} ({', '.join(each)})"


def _blind(report: Report) -> str:
    """The rules that could not decide everything: ``; not fully checked: BN201 (see -v)``.

    Without it, a run that could not see much would look clean. How often a rule was undecided is
    left out: a single part that was not traced leaves every question about it open.
    """
    rules = [undecided.rule for undecided in report.undecided]
    if not rules:
        return ""
    why = "see -v"
    if any(model.ref.inputs.source == "none" for model in report.models):
        why = "no input known; pass --input"
    elif any(not model.trace.complete for model in report.models):
        why = "some parts were not traced; see -v"
    if (more := len(rules) - _FEW) > 1:
        rules = [*rules[:_FEW], f"{more} more rules"]
    return f"; not fully checked: {listed(rules)} ({why})"
