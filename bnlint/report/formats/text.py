"""What people read in a terminal: findings with their source, problems, and drawings of models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath

from bnlint.domain.finding import Finding, Problem, ProblemKind, Report
from bnlint.domain.graph import LossUse, ModelGraph, Op, Shape
from bnlint.domain.model_cost import ModelCost
from bnlint.domain.phrases import listed, plural, short_number
from bnlint.report import Format, RenderOptions
from bnlint.report.excerpts import excerpt
from bnlint.report.formats.concise import headline
from bnlint.report.gathering import told_once
from bnlint.report.lines import (
    line_place,
    next_fixes,
    of_model,
    paint,
    place,
    plain,
    problem_place,
    refusals,
    summary,
)


def render(report: Report, options: RenderOptions) -> str:
    """The findings; with excerpts, each is followed by its source line and a caret."""
    return "".join(line + "\n" for finding in report.findings for line in _entry(finding, options))


def notes(report: Report, options: RenderOptions) -> str:
    """What follows the findings: problems, with ``verbose`` the details, and the summary."""
    lines = _problems(report, options)
    if options.verbose:
        lines += _details(report, options)
    if not options.quiet:
        lines += filter(None, (summary(report, options), next_fixes(report)))
    return "".join(line + "\n" for line in lines)


def problems(report: Report, options: RenderOptions) -> str:
    """What could not be checked; with ``quiet`` only problems that block a whole file."""
    return "".join(line + "\n" for line in _problems(report, options))


def _problems(report: Report, options: RenderOptions) -> list[str]:
    shown = [p for p in report.problems if p.blocking or not options.quiet]
    parts = [p for p in shown if p.kind is ProblemKind.PART and not options.verbose]
    others = [p for p in shown if p not in parts]
    told = others if options.verbose else told_once(others)
    return [*(line for p in told for line in problem_lines(p, options)), *_parts(parts)]


def _parts(problems: list[Problem]) -> Iterator[str]:
    """One line for all classes that are no models by themselves."""
    if problems:
        files = len({problem.file for problem in problems})
        where = f" in {files} files" if files > 1 else ""
        classes = plural(len(problems), "class", "classes")
        kinds = "a part, a loss or a base class" if len(problems) == 1 else "parts, losses or base"
        kinds += "" if len(problems) == 1 else " classes"
        yield f"{classes}{where} not checked alone: {kinds} of models (-v lists them)"


def _entry(finding: Finding, options: RenderOptions) -> Iterator[str]:
    yield headline(finding, options)
    if options.excerpts:
        yield from excerpt(finding.location, finding.severity.value, options)
    if options.excerpts or options.verbose:
        for related in finding.related:
            at = place(related.location, options)
            yield f"    {plain(f'{at}: {related.message}' if at else related.message)}"
    if finding.evidence:
        yield f"    measured: {plain(finding.evidence.summary)}"
    if finding.fix:
        yield f"    fix ({finding.fix.safety}): {plain(finding.fix.message)}"


def problem_lines(problem: Problem, options: RenderOptions) -> Iterator[str]:
    """What could not be checked, why and what would help; without a place for several files."""
    head = paint(plain(problem_place(problem, options)), "bold", options.colour)
    word = "not checked" if problem.blocking else "note"
    kind = paint(f"{word} ({problem.kind.value})", "info", options.colour)
    first, *rest = problem.message.splitlines() or [""]
    at = f"{head}: " if problem.file else ""
    yield f"{at}{kind}: {plain(first)}{plain(of_model(problem.model))}"
    yield from (f"    {plain(line)}" for line in rest)
    hint, *more = problem.hint.splitlines() or [""]
    if hint:
        yield f"    hint: {plain(hint)}"
    yield from (f"          {plain(line)}" for line in more)


def _details(report: Report, options: RenderOptions) -> Iterator[str]:
    for model in (*report.models, *report.missed):
        ref, trace = model.ref, model.trace
        whole = "" if trace.complete else f" except for {plural(len(trace.opaque), 'part')}"
        shapes = " ".join("x".join(map(str, s)) or "scalar" for s in ref.inputs.shapes)
        found = ref.found
        built = ref.origin
        built += f", found in {line_place(found, options)}" if found else ""
        built += f", guessed {', '.join(ref.guessed)}" if ref.guessed else ""
        yield plain(
            f"{options.relative(ref.file)}: {ref.name} ({built}) traced{whole} by the "
            f"{trace.tracer} tracer: {plural(model.ops, 'operation')}, "
            f"{plural(model.batchnorms, 'batch norm')}, input {ref.inputs.origin} {shapes}".rstrip()
        )
        for part in trace.opaque:
            yield plain(f"    not traced: {part.path or 'the model'}: {part.reason}")
        if trace.guessed:
            yield plain(f"    traced on their own, with guessed inputs: {listed(trace.guessed)}")
        yield from (plain(f"    {refusal}") for refusal in refusals(trace))
    for undecided in report.undecided:
        reasons = f" (unknown: {', '.join(undecided.reasons)})" if undecided.reasons else ""
        places = plural(undecided.count, "place")
        yield plain(f"{undecided.rule} could not be checked in {places}{reasons}")
    for refused in report.refused_fixes:
        at = place(refused.location, options)
        yield plain(f"{at}: no fix for {refused.rule} ({refused.layer}): {refused.reason}")
    if report.durations:
        spent = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in report.durations.items())
        yield f"time: {spent}"


def drawn(graph: ModelGraph, cost: ModelCost | None = None) -> str:
    """A heading, a line for each operation, what could not be seen into, and the cost by layer."""
    return "\n".join((*_drawing(graph), *(cost_table(cost) if cost else ())))


def cost_table(cost: ModelCost) -> Iterator[str]:
    """The cost of a model, then of each layer that costs something."""
    unused = f", {short_number(cost.unused)} unused" if cost.unused else ""
    tied = f", {short_number(cost.tied)} tied" if cost.tied else ""
    yield (
        f"cost: {short_number(cost.parameters)} parameters ({short_number(cost.trainable)} "
        f"trainable{tied}{unused}), {short_number(cost.multiply_adds)} multiply-adds, "
        f"{short_number(cost.activation_bytes, 'B')} of activations"
    )
    rows = [
        (
            each.layer,
            each.kind,
            f"{short_number(each.parameters)} parameters",
            f"{short_number(each.multiply_adds)} multiply-adds",
            short_number(each.activation_bytes, "B"),
        )
        for each in cost.layers
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "      " + "  ".join([*cells, row[4]])
    if cost.uncounted:
        yield f"not counted: {', '.join(cost.uncounted)}"


def _drawing(graph: ModelGraph) -> Iterator[str]:
    ref = graph.ref
    given = ", ".join(_shape(s) for s in ref.inputs.shapes)
    how = f"{graph.trace.tracer}{'' if graph.trace.complete else ', not complete'}"
    yield f"{ref.name} ({how}; input: {given or 'none known'})"
    sources: dict[str, list[str]] = {}
    number = {op.id: i for i, op in enumerate(graph.ops)}
    for edge in graph.edges:
        sources.setdefault(edge.target, []).append(edge.source)
    rows = [_row(op, number, sources.get(op.id, [])) for op in graph.ops]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[4]]).rstrip()
    for use in graph.training.losses:
        yield f"loss: {_loss(use)}"
    for part in graph.trace.opaque:
        yield f"not seen into: {part.path or 'the model'}: {part.reason}"


def _row(op: Op, number: Mapping[str, int], sources: Iterable[str]) -> tuple[str, ...]:
    reads = ",".join(str(number[s]) for s in sources)
    shape = " ".join(_shape(s) for s in op.outputs[:1] if s is not None)
    line = str(op.location.line) if op.location else ""
    return (
        f"{number[op.id]:>4}",
        f"<- {reads}" if reads else "",
        op.kind,
        f"{op.layer}{':' + line if line else ''}",
        shape + (f"  {op.error}" if op.error else ""),
    )


def _loss(use: LossUse) -> str:
    """What is applied to which result, and where: ``nll_loss of result 1 (train.py:12)``."""
    result = f"result {use.result}" if use.result else "the result"
    after = f" after {', '.join(use.after)}" if use.after else ""
    at = use.place
    place = f" ({PurePath(at.path).name}:{at.line})" if at else ""
    return f"{use.loss} of {result}{after}{place}"


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))


FORMAT = Format(render)
