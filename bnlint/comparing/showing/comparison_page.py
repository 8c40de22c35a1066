"""One self-contained page: the answers, and both graphs side by side with their changes marked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bnlint.comparing.showing.answers_in_words import (
    cost_lines,
    findings_lines,
    function_lines,
    graph_lines,
    heading,
    verdict_words,
)
from bnlint.comparing.showing.checkpoint_in_words import checkpoint_lines
from bnlint.comparing.showing.short_answers import (
    short_checkpoint,
    short_cost,
    short_function,
    short_graph,
)
from bnlint.domain.graph import ModelGraph
from bnlint.domain.model_comparison import ComparisonReport, ModelComparison
from bnlint.domain.phrases import plural
from bnlint.report import RenderOptions
from bnlint.report.formats.html import DRAWING, content_policy, filled, page_asset
from bnlint.report.formats.html.graph_json import LIMIT, graph_entry, safe_json
from bnlint.report.formats.html.markup import code, items, prose, text
from bnlint.report.lines import plain

FOLDER = Path(__file__).parent
_COLUMNS = ("model", "verdict", "old checkpoints", "outputs", "graph", "cost")


def render(report: ComparisonReport, options: RenderOptions) -> str:
    """The page; it loads nothing, and all that comes from users' files stays text."""
    options = replace(options, portable=True)
    style = page_asset("page.css") + _own("comparison.css")
    parts = "\n".join([*map(page_asset, DRAWING), _own("comparison.js")])
    script = f'(() => {{\n"use strict";\n{parts}}})();\n'
    torch = f", torch {report.torch}" if report.torch else ""
    names = f": {report.old} → {report.new}" if report.new else ""
    slots = {
        "policy": content_policy(style, script),
        "title": text(f"bnlint compare{names}"),
        "style": style,
        "script": script,
        "tool": text(f"bnlint {options.version}{torch}"),
        "table": _table(report.comparisons, options),
        "details": "".join(_details(each, options) for each in report.comparisons),
        "problems": _problems(report, options),
        "old": text(report.old or "before"),
        "new": text(report.new or "after"),
        "data": safe_json({"comparisons": _drawn(report.comparisons, options)}),
    }
    return filled(_own("comparison.html"), slots)


def _own(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _table(comparisons: Sequence[ModelComparison], options: RenderOptions) -> str:
    if not comparisons:
        return '<p class="good">no model differs</p>'
    heads = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "".join(
        f"<tr><td>{code(each.model)} {text(options.relative(each.file))}</td>"
        f"<td><b>{text(each.verdict)}</b></td>"
        + "".join(
            f"<td>{prose(words)}</td>"
            for words in (
                short_checkpoint(each),
                short_function(each),
                short_graph(each),
                short_cost(each),
            )
        )
        + "</tr>"
        for each in comparisons
    )
    return (
        f"<div class=wide><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _details(each: ModelComparison, options: RenderOptions) -> str:
    sections = {
        "checkpoint": checkpoint_lines(each),
        "function": function_lines(each, options),
        "graph": graph_lines(each, options),
        "cost": cost_lines(each),
        "findings": findings_lines(each, options),
    }
    rows = "".join(
        f"<dt>{name}</dt><dd>{'<br>'.join(map(prose, lines))}</dd>"
        for name, found in sections.items()
        if (lines := list(found))
    )
    keys = [f"{code(old)} → {code(new)}" for old, new in each.key_map.items()]
    renamed = f"{plural(len(keys), 'key')} renamed"
    map_ = f"<details><summary>{renamed}</summary>{items(keys, 'more')}</details>"
    head = f"{code(heading(each, options))} {text(verdict_words(each))}"
    return f"<details><summary>{head}</summary><dl>{rows}</dl>{map_ if keys else ''}</details>"


def _problems(report: ComparisonReport, options: RenderOptions) -> str:
    rows = [f"{code(options.relative(p.file))} {prose(p.message)}" for p in report.problems]
    return f"<h3>Not compared, and notes</h3>{items(rows, 'more')}" if rows else ""


def _drawn(comparisons: Sequence[ModelComparison], options: RenderOptions) -> list[dict[str, Any]]:
    """The graphs that fit on one page, those that differ first."""
    room, found = LIMIT, []
    for each in sorted(comparisons, key=lambda c: not c.graph):
        size = sum(len(graph.ops) for graph in each.graphs if graph is not None)
        if size == 0 or size > room:
            continue
        room -= size
        numbers = [
            {op.id: n for n, op in enumerate(graph.ops)} if graph else {} for graph in each.graphs
        ]
        pairs = [
            [numbers[0][a], numbers[1][b]]
            for a, b in each.pairs
            if a in numbers[0] and b in numbers[1]
        ]
        graphs = [_graph(g, s, options) for g, s in zip(each.graphs, each.signs, strict=True)]
        name = plain(f"{each.model} ({options.relative(each.file)}): {each.verdict}")
        found.append({"name": name, "graphs": graphs, "pairs": pairs})
    return found


def _graph(graph: ModelGraph | None, signs: Any, options: RenderOptions) -> dict[str, Any] | None:
    if graph is None:
        return None
    data = graph_entry(graph, options)
    marks = {n: signs[op.id] for n, op in enumerate(graph.ops) if op.id in signs}
    return {**data, "signs": json.loads(json.dumps(marks))}
