"""One self-contained page: findings, models with their graphs, problems, measurements.

Everything but the graphs is plain HTML, so that the page is readable without scripts too. It loads
nothing, and its content policy forbids loading. Style and scripts are files of this folder.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

from bnlint.domain.finding import Finding, ModelSummary, Problem, Report, Severity
from bnlint.domain.graph import Location
from bnlint.domain.phrases import plural
from bnlint.report import Format, RenderOptions, RuleInfo
from bnlint.report.formats.html.graph_json import graph_data
from bnlint.report.formats.html.markup import (
    MARKS,
    SourceLinks,
    chapters,
    code,
    items,
    prose,
    shape,
    text,
)
from bnlint.report.lines import counts, refusals, summary
from bnlint.report.rule_links import rule_link

FOLDER = Path(__file__).parent
DRAWING = ("tree.js", "rows.js", "layout.js", "drawing.js", "keys.js")
"""The scripts of every page that shows graphs."""
_SCRIPTS = (*DRAWING, "panel.js", "graph.js", "page.js")
_MOST = 6
"""Lines of an expression that are shown."""
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def render(report: Report, options: RenderOptions) -> str:
    """The page; its slots are filled in one pass, so that no inserted text is filled in turn."""
    options = replace(options, portable=True)
    style, parts = page_asset("page.css"), "\n".join(map(page_asset, _SCRIPTS))
    script = f'(() => {{\n"use strict";\n{parts}}})();\n'
    files = sorted({options.relative(model.ref.file) for model in report.models})
    torch = f", torch {report.torch}" if report.torch else ""
    slots = {
        "policy": content_policy(style, script),
        "title": text(f"bnlint: {files[0] if len(files) == 1 else plural(len(files), 'file')}"),
        "style": style,
        "script": script,
        "tiles": _tiles(report),
        "summary": text(summary(report, options)),
        "tool": text(f"bnlint {options.version}{torch}"),
        "findings": _findings(report, options),
        "models": _models(report, options),
        "problems": _problems(report, options),
        "chapters": chapters(options.sections),
        "measured": "" if options.sections else " hidden",
        "count_findings": str(len(report.findings)),
        "count_models": str(len(report.models)),
        "count_problems": str(len(report.problems)),
        "data": graph_data(report, options),
    }
    return filled(page_asset("page.html"), slots)


def filled(page: str, slots: Mapping[str, str]) -> str:
    """The page with all of its slots filled in one pass."""
    return _SLOT.sub(lambda slot: slots[slot[1]], page)


def page_asset(name: str) -> str:
    """The text of a style, a script or a page of this folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def content_policy(style: str, script: str) -> str:
    """The content policy: nothing is loaded, and only our own script and style are allowed."""
    digests = (sha256(content.encode()).digest() for content in (style, script))
    styles, scripts = (f"'sha256-{b64encode(digest).decode()}'" for digest in digests)
    return (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {styles}; script-src {scripts}"
    )


def _tiles(report: Report) -> str:
    found = counts(report)
    return "".join(_tile(severity, found[severity.value]) for severity in MARKS)


def _tile(severity: Severity, number: int) -> str:
    kind, shade = severity.value, "" if number else " none"
    noun = kind if number == 1 or severity is Severity.INFO else f"{kind}s"
    return f'<li class="{kind}{shade}"><b>{MARKS[severity]} {number}</b> {noun}</li>'


def _findings(report: Report, options: RenderOptions) -> str:
    if not report.findings:
        return '<p class="good">✔ no findings</p>' if report.models else "<p>no findings</p>"
    read = cache(options.lines)
    groups: dict[tuple[str, str], list[str]] = {}
    for number, finding in enumerate(report.findings):
        at = finding.location
        lines = options.lines_at(at) if at.cell else read(at.path) if at.path else []
        group = groups.setdefault((finding.location.path, finding.model), [])
        group.append(_finding(number, finding, lines, options))
    parts = []
    for (path, model), found in groups.items():
        shown = text(options.relative(path) if path else "no file")
        name = f" <span class=model>{text(model)}</span>" if model else ""
        head = f"<h3>{shown}{name} <span class=count>{len(found)}</span></h3>"
        parts.append(f"<section class=group>{head}{''.join(found)}</section>")
    return "".join(parts) + _rule_texts(report.findings, options)


def _finding(number: int, finding: Finding, lines: Sequence[str], options: RenderOptions) -> str:
    severity, links = finding.severity.value, SourceLinks(options)
    rule = f"<b>{text(finding.rule)}</b> {text(finding.name)}"
    if finding.rule in options.rules:
        rule = f'<a class=rule href="#rule-{text(finding.rule)}">{rule}</a>'
    times = f" <span class=count>{finding.count} layers</span>" if finding.count > 1 else ""
    head = (
        f'<span class="badge {severity}">{MARKS[finding.severity]} {severity}</span>'
        f" {rule} {code(finding.layer)}{times}"
        f" {links.link(finding.location)}"
        f"<button class=locate data-finding={number} hidden>show in graph</button>"
    )
    more = [f"{prose(r.message)} {links.link(r.location)}".rstrip() for r in finding.related]
    if finding.evidence:
        more.append(f"evidence: {prose(finding.evidence.summary)}")
    if finding.fix:
        more.append(f"fix ({text(finding.fix.safety)}): {prose(finding.fix.message)}")
    return (
        f'<article class="finding {severity}" data-severity={severity} id=finding-{number}>'
        f"<p class=head>{head}</p><p class=message>{prose(finding.message)}</p>"
        f"{_excerpt(finding.location, lines)}{items(more, 'more')}</article>"
    )


def _excerpt(at: Location, lines: Sequence[str]) -> str:
    """The source of the place with its expression marked; nothing when it cannot be read."""
    if not 0 < at.line <= len(lines):
        return ""
    last = max(at.line, min(at.end_line, len(lines), at.line + _MOST - 1))
    source = [line.rstrip().replace("\t", " ") for line in lines[at.line - 1 : last]]
    indent = min((len(line) - len(line.lstrip()) for line in source if line), default=0)
    source = [line[indent:] for line in source]
    whole, start = "\n".join(source), max(0, at.column - 1 - indent)
    end = start + 1 if at.end_line <= at.line else len(whole)
    if last == at.end_line and (at.end_line > at.line or at.end_column > at.column):
        end = len(whole) - len(source[-1]) + at.end_column - 1 - indent
    before, inside, after = map(text, (whole[:start], whole[start:end], whole[end:]))
    more = "\n…" if at.end_line > last else ""
    return f"<pre>{before}<mark>{inside}</mark>{after}{more}</pre>"


def _rule_texts(found: Sequence[Finding], options: RenderOptions) -> str:
    fired = sorted({finding.rule for finding in found} & set(options.rules))
    if not fired:
        return ""
    pages = "".join(_rule(options.rules[rule], options) for rule in fired)
    return f"<section class=rules><h3>{plural(len(fired), 'rule')}</h3>{pages}</section>"


def _rule(rule: RuleInfo, options: RenderOptions) -> str:
    named = (("why", rule.why), ("evidence", rule.evidence), ("instead", rule.instead))
    parts = [f"<dt>{name}</dt><dd>{prose(value.strip())}</dd>" for name, value in named if value]
    if rule.references:
        parts.append(f"<dt>references</dt><dd>{items(map(prose, rule.references), 'refs')}</dd>")
    if page := text(rule_link(rule.id, options.docs_url)):
        parts.append(f'<dt>page</dt><dd><a href="{page}" rel=noreferrer>{page}</a></dd>')
    head = f"<b>{text(rule.id)}</b> {text(rule.name)}: {prose(rule.summary)}"
    body = f"<summary>{head}</summary><dl>{''.join(parts)}</dl>"
    return f'<details id="rule-{text(rule.id)}">{body}</details>'


_COLUMNS = ("model", "file", "found as", "input", "traced by", "operations", "batch norms")


def _models(report: Report, options: RenderOptions) -> str:
    if not report.models:
        return "<p>no model was checked</p>"
    found = Counter((finding.location.path, finding.model) for finding in report.findings)
    heads = "".join(f"<th>{name}</th>" for name in (*_COLUMNS, "parameters", "findings"))
    rows = "".join(_model(m, found[m.ref.file, m.ref.name], options) for m in report.models)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div class=wide>{table}</div>"


def _model(model: ModelSummary, found: int, options: RenderOptions) -> str:
    ref, trace = model.ref, model.trace
    unseen = [f"not traced: {code(p.path or 'the model')} {prose(p.reason)}" for p in trace.opaque]
    unseen += map(text, refusals(trace))
    guessed = f", guessed {', '.join(ref.guessed)}" if ref.guessed else ""
    whole = "" if trace.complete else ", partly"
    place = SourceLinks(options).link(ref.definition or Location(ref.file, 1))
    cells = (
        code(ref.name) + items(unseen, "more"),
        place,
        text(f"{ref.origin} {ref.arguments}".strip() + guessed),
        text(f"{ref.inputs.origin} {' '.join(map(shape, ref.inputs.shapes))}".strip()),
        text(trace.tracer + whole),
    )
    numbers = (model.ops, model.batchnorms, model.parameters, found)
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr>{row}{''.join(f'<td class=number>{n:,}</td>' for n in numbers)}</tr>"


def _problems(report: Report, options: RenderOptions) -> str:
    """What could not be checked and why, what no rule could decide, which fixes are not offered."""
    links = SourceLinks(options)
    parts = [_problem(problem, links) for problem in report.problems]
    blind = (
        f"<b>{text(u.rule)}</b> {u.count}×: {text('; '.join(u.reasons) or 'an unknown fact')}"
        for u in report.undecided
    )
    parts.append(_list("Rules that could not decide", items(blind, "blind")))
    refused = (
        f"<b>{text(r.rule)}</b> {code(r.layer)} {links.link(r.location)}: {prose(r.reason)}"
        for r in report.refused_fixes
    )
    parts.append(_list("Fixes that are not offered", items(refused, "refused")))
    return "".join(parts) or '<p class="good">✔ everything was checked</p>'


def _problem(problem: Problem, links: SourceLinks) -> str:
    kind, word = ("blocking", "not checked") if problem.blocking else ("note", "note")
    at = links.link(Location(problem.file, problem.line or 1, cell=problem.cell))
    model = f" <span class=model>{text(problem.model)}</span>" if problem.model else ""
    hint = f"<p class=hint>{prose(problem.hint)}</p>" if problem.hint else ""
    return (
        f'<article class="problem {kind}"><p class=head><span class=badge>{word}</span> '
        f"{text(problem.kind.value)}{model} {at}</p>"
        f"<p class=message>{prose(problem.message)}</p>{hint}</article>"
    )


def _list(title: str, rows: str) -> str:
    return f"<h3>{title}</h3>{rows}" if rows else ""


FORMAT = Format(render, complete=True, rules=True, graphs=True)
