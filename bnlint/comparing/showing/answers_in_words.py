"""The answers of a comparison as short lines, which text and Markdown share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import isfinite

from bnlint.domain.finding import Finding
from bnlint.domain.graph import Location, Value
from bnlint.domain.model_comparison import (
    ADDED,
    IDENTICAL,
    REMOVED,
    FunctionAnswer,
    LayerChange,
    ModelComparison,
)
from bnlint.domain.model_cost import ModelCost
from bnlint.domain.phrases import listed, short_number
from bnlint.report import RenderOptions
from bnlint.report.lines import line_place

_FEW = 4
_FIGURES = (
    ("parameters", "parameters", ""),
    ("multiply-adds", "multiply_adds", ""),
    ("activations", "activation_bytes", "B"),
)


def heading(each: ModelComparison, options: RenderOptions) -> str:
    """``net.py::Net  main -> working tree``."""
    old, new = each.old, each.new
    name = f"{options.relative(each.file)}::{each.model}"
    if old is None or new is None:
        return name
    if old.revision or new.revision:
        before = "" if old.file == each.file else f" {options.relative(old.file)}"
        before += "" if old.model == each.model else f" {old.model}"
        return f"{name}  {old.revision}{before} -> {new.revision}"
    shown = (
        f"{options.relative(old.file)}::{old.model}" if old.model else options.relative(old.file)
    )
    return f"{shown} -> {name}"


def sides_in_words(each: ModelComparison, options: RenderOptions) -> str:
    """Where both models come from, if that is not the same file and name."""
    old, new = each.old, each.new
    if old is None or new is None or (old.file, old.model) == (new.file, new.model):
        return ""
    before, after = (f"{options.relative(s.file)}::{s.model}".rstrip(":") for s in (old, new))
    return f"`{before}` → `{after}`"


def verdict_words(each: ModelComparison) -> str:
    """The verdict; where nothing was compared, with the reason."""
    return f"{each.verdict}: {each.reason}" if each.reason else each.verdict


# --- function ---


def function_lines(each: ModelComparison, options: RenderOptions) -> Iterator[str]:
    """Whether the same weights give the same outputs."""
    answer = each.function
    if answer is None:
        return
    if not answer.compared:
        yield f"not compared: {answer.reason}"
    elif answer.equal:
        how = "equal" if answer.exact else "equal up to rounding"
        yield f"{how} on the same weights, in {_modes(answer)} mode {_measured(answer)}"
        if answer.reason:
            yield answer.reason
    else:
        yield f"changed: {_difference(answer, options)} {_measured(answer)}"


def _difference(answer: FunctionAnswer, options: RenderOptions) -> str:
    first = answer.first_difference
    said = answer.reason
    if not said:
        shown = [
            f"{v:.2g} in {m} mode" for m, v in answer.max_difference.items() if v and isfinite(v)
        ]
        said = f"outputs differ by up to {listed(shown)}" if shown else "outputs differ"
    if first is None or not first.layer:
        return said
    at = f" ({line_place(first.location, options)})" if first.location else ""
    return f"{said}, from `{first.layer}` on{at}"


def _modes(answer: FunctionAnswer) -> str:
    return listed(sorted(answer.max_difference)) or "eval"


def _measured(answer: FunctionAnswer) -> str:
    return f"({answer.dtype}, tolerance {answer.tolerance:g} of the largest output)"


# --- graph ---


def graph_lines(each: ModelComparison, options: RenderOptions) -> Iterator[str]:
    """One line a change; the sign says what it is."""
    graph = each.graph
    if graph is None:
        return
    if not graph.complete:
        yield "only partly traced: more may have changed"
    for sign, changes in (("+", graph.added), ("-", graph.removed), (">", graph.moved)):
        yield from (f"{sign} {_layer(c)}{_detail(c, options)}" for c in changes)
    for c in graph.changed:
        yield f"~ {_layer(c)} {change_words(c)}{_at(c.location, options)}{_count(c)}"
    if not graph and each.verdict != IDENTICAL:
        yield "the same layers and operations"


def change_words(change: LayerChange) -> str:
    """``kernel-size 2 -> 3``."""
    before, after = _value(change.old), _value(change.new)
    if (change.old is None and change.new is None) or before == after:
        return f"{change.setting} changed"
    return f"{change.setting} {before} -> {after}"


def _layer(change: LayerChange) -> str:
    return f"`{change.layer}` ({change.kind})" if change.kind else f"`{change.layer}`"


def _detail(change: LayerChange, options: RenderOptions) -> str:
    detail = f" {change.detail}" if change.detail else ""
    return detail + _at(change.location, options) + _count(change)


def _at(at: Location | None, options: RenderOptions) -> str:
    return f"  {line_place(at, options)}" if at else ""


def _count(change: LayerChange) -> str:
    return f" (x{change.count})" if change.count > 1 else ""


def _value(value: Value) -> str:
    if value is None:
        return "none"
    if isinstance(value, str) and value.startswith("code "):
        return "a function"
    if isinstance(value, str) and value.startswith("$"):
        return "a result"
    if isinstance(value, str) and value.startswith("constant "):
        return "a constant"
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))})"
    return str(value)


# --- cost and findings ---


def cost_lines(each: ModelComparison) -> Iterator[str]:
    """Parameters, multiply-adds and activations, before and after."""
    old, new = each.cost
    if each.verdict == IDENTICAL or (old is None and new is None):
        return
    before, after = old or new, new or old  # of a model that has no partner, only its own figures
    yield ", ".join(
        figure(name, getattr(before, field, None), getattr(after, field, None), unit)
        for name, field, unit in _FIGURES
    )
    yield from _not_counted(new or old)


def _not_counted(cost: ModelCost | None) -> Iterator[str]:
    if cost is not None and cost.uncounted:
        more = len(cost.uncounted) - _FEW
        shown = [*cost.uncounted[:_FEW], *([f"{more} more"] if more > 0 else [])]
        yield f"not counted: {listed(shown)}"


def figure(name: str, old: int | None, new: int | None, unit: str) -> str:
    """``parameters 1.20 M -> 1.24 M (+3 %)``; one number where both are the same."""
    if short_number(old, unit) == short_number(new, unit):
        return f"{name} {short_number(new, unit)}"
    share = round(100 * (new - old) / old) if old and new is not None else 0
    change = f" ({share:+d} %)" if share else ""
    return f"{name} {short_number(old, unit)} -> {short_number(new, unit)}{change}"


def findings_lines(each: ModelComparison, options: RenderOptions) -> Iterator[str]:
    """The findings that the change brings or removes."""
    fresh = _counted([_finding(f, options) for f in each.new_findings])
    gone = _counted([f.rule for f in each.gone_findings])
    if each.verdict in (ADDED, REMOVED) and not fresh:
        return
    said = [f"new: {', '.join(fresh)}"] if fresh else []
    said += [f"gone: {', '.join(gone)}"] if gone else []
    if said:
        yield "; ".join(said)


def _counted(words: Sequence[str]) -> list[str]:
    """Each word once, with how often it occurs."""
    return [f"{w} (x{n})" if n > 1 else w for w, n in Counter(words).items()]


def _finding(finding: Finding, options: RenderOptions) -> str:
    return f"{finding.rule} {line_place(finding.location, options)}"
