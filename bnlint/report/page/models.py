"""The models of a page, what could not be checked, and what could not be decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bnlint.domain.finding import ModelSummary, Problem, Report
from bnlint.domain.graph import Location, Shape
from bnlint.report.options import RenderOptions
from bnlint.report.page.markup import Places, code, items, text
from bnlint.report.summary import refusals

_COLUMNS = ("model", "file", "found as", "input", "traced by", "operations", "batch norms")


def models(report: Report, options: RenderOptions) -> str:
    """A row for every model, with what could not be seen of it."""
    if not report.models:
        return "<p>no model was checked</p>"
    found = Counter((finding.location.path, finding.model) for finding in report.findings)
    heads = "".join(f"<th>{name}</th>" for name in (*_COLUMNS, "parameters", "findings"))
    rows = "".join(_model(m, found[m.ref.file, m.ref.name], options) for m in report.models)
    return (
        f"<div class=wide><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _model(model: ModelSummary, found: int, options: RenderOptions) -> str:
    ref, trace = model.ref, model.trace
    guessed = f", guessed {', '.join(ref.guessed)}" if ref.guessed else ""
    whole = "" if trace.complete else ", not whole"
    place = Places(options).link(ref.definition or Location(ref.file, 1))
    cells = (
        code(ref.name) + items(_unseen(model), "more"),
        place,
        text(f"{ref.origin} {ref.arguments}".strip() + guessed),
        text(f"{ref.inputs.source} {' '.join(map(shape, ref.inputs.shapes))}".strip()),
        text(trace.tracer + whole),
    )
    numbers = (model.ops, model.batchnorms, model.parameters, found)
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr>{row}{''.join(f'<td class=number>{n:,}</td>' for n in numbers)}</tr>"


def _unseen(model: ModelSummary) -> Iterator[str]:
    for part in model.trace.opaque:
        yield f"not seen: {code(part.path or 'the model')} {text(part.reason)}"
    yield from map(text, refusals(model.trace))


def shape(sizes: Shape) -> str:
    """``1×3×32×32``."""
    return "×".join(map(str, sizes)) or "scalar"


def problems(report: Report, options: RenderOptions) -> str:
    """What could not be checked and why, what no rule could decide, which fixes are not offered."""
    places = Places(options)
    parts = [_problem(problem, places) for problem in report.problems]
    blind = (
        f"<b>{text(u.rule)}</b> {u.count}×: {text('; '.join(u.reasons) or 'an unknown fact')}"
        for u in report.undecided
    )
    parts.append(_list("Rules that could not decide", items(blind, "blind")))
    refused = (
        f"<b>{text(r.rule)}</b> {code(r.layer)} {places.link(r.location)}: {text(r.reason)}"
        for r in report.refused_fixes
    )
    parts.append(_list("Fixes that are not offered", items(refused, "refused")))
    return "".join(parts) or '<p class="good">✔ everything was checked</p>'


def _problem(problem: Problem, places: Places) -> str:
    word = "not checked" if problem.blocking else "note"
    kind = "blocking" if problem.blocking else "note"
    at = places.link(Location(problem.file, problem.line or 1))
    model = f" <span class=model>{text(problem.model)}</span>" if problem.model else ""
    hint = f"<p class=hint>{text(problem.hint)}</p>" if problem.hint else ""
    return (
        f'<article class="problem {kind}"><p class=head><span class=badge>{word}</span> '
        f"{text(problem.kind.value)}{model} {at}</p>"
        f"<p class=message>{text(problem.message)}</p>{hint}</article>"
    )


def _list(title: str, rows: str) -> str:
    return f"<h3>{title}</h3>{rows}" if rows else ""
