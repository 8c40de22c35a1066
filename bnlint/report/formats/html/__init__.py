"""One self-contained page: findings, models with their graphs, problems, measurements.

Everything but the graphs is plain HTML, so that the page is readable without scripts too. It loads
nothing, and its content policy forbids loading. Style and scripts are files of this folder.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from bnlint.domain.finding import Report
from bnlint.report import RenderOptions
from bnlint.report.formats import Format
from bnlint.report.formats.html.contents import findings, models, problems
from bnlint.report.formats.html.graph_json import graph_data
from bnlint.report.formats.html.markup import MARKS, chapters, text
from bnlint.report.lines import counts, summary

FOLDER = Path(__file__).parent
SCRIPTS = ("tree.js", "rows.js", "layout.js", "drawing.js", "panel.js", "graph.js", "page.js")
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def render(report: Report, options: RenderOptions) -> str:
    """The page; its slots are filled in one pass, so that no inserted text is filled in turn."""
    style, script = _asset("page.css"), _script()
    slots = {
        "policy": _policy(style, script),
        "title": text(_title(report, options)),
        "style": style,
        "script": script,
        "tiles": _tiles(report),
        "summary": text(summary(report, options)),
        "tool": text(_tool(report, options)),
        "findings": findings(report, options),
        "models": models(report, options),
        "problems": problems(report, options),
        "chapters": chapters(options.sections),
        "measured": "" if options.sections else " hidden",
        "count_findings": str(len(report.findings)),
        "count_models": str(len(report.models)),
        "count_problems": str(len(report.problems)),
        "data": graph_data(report, options),
    }
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _script() -> str:
    parts = "\n".join(map(_asset, SCRIPTS))
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _policy(style: str, script: str) -> str:
    """The content policy: nothing is loaded, and only our own script and style are allowed."""
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


def _title(report: Report, options: RenderOptions) -> str:
    files = sorted({options.relative(model.ref.file) for model in report.models})
    return f"bnlint: {files[0]}" if len(files) == 1 else f"bnlint: {len(files)} files"


def _tool(report: Report, options: RenderOptions) -> str:
    torch = f", torch {report.torch}" if report.torch else ""
    return f"bnlint {options.version}{torch}"


def _tiles(report: Report) -> str:
    """The number of findings of each severity."""
    found = counts(report)
    return "".join(
        f'<li class="{severity.value}{"" if found[severity.value] else " none"}">'
        f"<b>{MARKS[severity]} {found[severity.value]}</b> {severity.value}</li>"
        for severity in MARKS
    )


FORMAT = Format(render, complete=True, rules=True, graphs=True)
