"""Comparisons as a comment on a pull request: short first, details folded, a key map to copy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bnlint.comparing.showing.answers_in_words import (
    cost_lines,
    findings_lines,
    function_lines,
    graph_lines,
    sides_in_words,
)
from bnlint.comparing.showing.checkpoint_in_words import (
    checkpoint_lines,
    does_not_fit,
    with_the_map,
)
from bnlint.comparing.showing.short_answers import (
    short_checkpoint,
    short_cost,
    short_function,
    short_graph,
)
from bnlint.domain.model_comparison import (
    IDENTICAL,
    CheckpointAnswer,
    ComparisonReport,
    ModelComparison,
)
from bnlint.domain.phrases import plural
from bnlint.report import RenderOptions
from bnlint.report.lines import plain

MARKS = {
    "identical": "✅",
    "same-function": "✅",
    "changed": "🔶",
    "removed": "➖",
    "added": "➕",
    "not-compared": "❔",
}
_SPECIAL = re.compile(r"([\\*_{}\[\]<#|~]|(?<!-)>)")
"""What Markdown reads as markup; arrows stay readable in the source."""
_MOST = 60
"""Lines of one section; GitHub cuts a comment off at 65,536 characters."""
_MOST_KEYS = 200
HEAD = "### bnlint compare"


def render(report: ComparisonReport, options: RenderOptions) -> str:
    """A table of all models, then one folded section for each that differs."""
    told = [each for each in report.comparisons if each.verdict != IDENTICAL]
    same = len(report.comparisons) - len(told)
    lines = [HEAD + (f": {_code(report.old)} → {_code(report.new)}" if report.new else ""), ""]
    if not report.comparisons:
        lines += ["No model differs." if not report.problems else "No model was compared.", ""]
    if told:
        lines += [*_table(told, options), ""]
    if same:
        lines += [f"✅ {plural(same, 'model')} identical: same graph, same keys.", ""]
    for each in told:
        lines += [*_details(each, options), ""]
    lines += _problems(report, options)
    return "\n".join(lines).rstrip() + "\n"


def _table(told: Sequence[ModelComparison], options: RenderOptions) -> Iterator[str]:
    yield "| model | verdict | old checkpoints | same weights, same outputs | graph | cost |"
    yield "|---|---|---|---|---|---|"
    for each in told:
        cells = (
            f"{_code(each.model)} {_text(options.relative(each.file))}",
            f"{MARKS[each.verdict]} **{each.verdict}**",
            _text(short_checkpoint(each)),
            _text(short_function(each)),
            _text(short_graph(each)),
            _text(short_cost(each)),
        )
        yield f"| {' | '.join(cells)} |"


def _details(each: ModelComparison, options: RenderOptions) -> Iterator[str]:
    name = f"<code>{_html(each.model)}</code>"
    yield f"<details><summary>{MARKS[each.verdict]} {name}: details</summary>"
    yield ""
    if shown := sides_in_words(each, options):
        yield f"{_text(shown)}"
        yield ""
    if each.reason:
        yield f"Not compared: {_text(each.reason)}"
        yield ""
    sections = {
        "Checkpoint": list(checkpoint_lines(each)),
        "Function": list(function_lines(each, options)),
        "Cost": list(cost_lines(each)),
        "Findings": list(findings_lines(each, options)),
    }
    for name, lines in sections.items():
        if lines:
            yield f"**{name}.** {' '.join(_text(line) + '.' for line in lines)}"
            yield ""
    changes = list(graph_lines(each, options))
    if changes:
        yield "```diff"
        yield from (_fenced(line) for line in changes[:_MOST])
        if len(changes) > _MOST:
            yield f"  {len(changes) - _MOST} more"
        yield "```"
        yield ""
    yield from _key_map(each)
    yield "</details>"


def _key_map(each: ModelComparison) -> Iterator[str]:
    """Python that renames the keys of an old checkpoint, to copy."""
    renames = each.key_map
    if not renames:
        return
    answer = each.checkpoint or CheckpointAnswer()
    strict = "" if answer.loads_with_renames else ", strict=False"
    if does_not_fit(answer):
        yield "The keys that were renamed; the other differences above remain:"
    else:
        yield f"With the key map, {with_the_map(answer)}:"
    yield ""
    yield "```python"
    yield "renamed = {"
    for old, new in list(renames.items())[:_MOST_KEYS]:
        yield f"    {_quoted(old)}: {_quoted(new)},"
    if len(renames) > _MOST_KEYS:
        yield f"    # {len(renames) - _MOST_KEYS} more: bnlint compare --format json"
    yield "}"
    yield "taken = set(renamed) | set(renamed.values())"
    yield "state = {key: value for key, value in old_state.items() if key not in taken}"
    yield "state |= {new: old_state[old] for old, new in renamed.items()}"
    yield f"model.load_state_dict(state{strict})"
    yield "```"
    yield ""


def _problems(report: ComparisonReport, options: RenderOptions) -> Iterator[str]:
    if not report.problems:
        return
    yield f"<details><summary>{plural(len(report.problems), 'note')}</summary>"
    yield ""
    for problem in report.problems[:_MOST]:
        first = plain(problem.message.splitlines()[0] if problem.message else "")
        yield f"- {_text(options.relative(problem.file))}: {_text(first)}"
    yield ""
    yield "</details>"


def _text(value: str) -> str:
    """A line in which names of users stay text; what is in backticks stays code."""
    parts = plain(value).split("`")
    if len(parts) % 2 == 0:
        return _SPECIAL.sub(r"\\\1", "'".join(parts))
    plain_parts = (part if n % 2 else _SPECIAL.sub(r"\\\1", part) for n, part in enumerate(parts))
    return "`".join(p.replace("|", "\\|") if n % 2 else p for n, p in enumerate(plain_parts))


def _code(value: str) -> str:
    inner = plain(value).replace("`", "'").replace("|", "\\|")
    return f"`{inner}`"


def _html(value: str) -> str:
    from html import escape

    return escape(plain(value))


def _fenced(line: str) -> str:
    """A line of a diff block; GitHub colours those that begin with + and -."""
    text = plain(line).replace("```", "'''").replace("`", "")
    return text if text[:1] in "+-" else f"! {text[2:]}" if text[:1] in "~>" else f"  {text}"


def _quoted(key: str) -> str:
    return '"' + plain(key).replace('"', '\\"').replace("```", "") + '"'
