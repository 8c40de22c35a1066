"""A probe for other programs and for pages: a JSON document, and sections with tables."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bnlint.domain.errors import UsageError
from bnlint.domain.finding import Cell, Finding, Marked, PageTable, Picture, Report, Section
from bnlint.domain.phrases import percent, plural
from bnlint.domain.probe import Comparison, ProbeResult, Variant
from bnlint.domain.probe_rows import (
    ActivationStats,
    KernelStats,
    NormStats,
    UpdateStats,
    gradient_ratio,
    shown_name,
)
from bnlint.probing.judging.metric import Number, numbers_of
from bnlint.probing.showing import pictures, terminal
from bnlint.report.strict_json import json_text

VERSION = 1

Measured = ActivationStats | NormStats | KernelStats
"""The rows that a table of calls shows."""

_LEFT_OUT = {
    ActivationStats: {"before", "after", "more"},
    KernelStats: {"call"},
    Finding: {"measurable"},
    Report: {"graphs"},
}
"""Raw samples are for the pictures, graphs for the page; ``more`` is spread over the row."""

_TITLES = {
    "units": "Units of each activation: dead, switching, always on",
    "grad-flow": "Gradient at each conv/linear layer",
    "ridge": "Values before and after each activation",
    "loss": "Loss with the same weights, norms removed or moved",
}


def document(result: ProbeResult) -> dict[str, Any]:
    """The whole result but the raw samples as JSON-ready data, by field name.

    Fields may be added, none is renamed or removed. Numbers that JSON lacks become null.
    """
    fields: dict[str, Any] = named(result)
    fields["gradient_ratio"] = named(result.gradient_ratio)
    return {"version": VERSION, "probe": fields}


def to_json(result: ProbeResult) -> str:
    """The document as indented JSON with a line end."""
    return json_text(document(result))


def named(value: Any) -> Any:
    """Dataclasses as dicts, tuples and sets as lists, enums as their values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
        shown = (name for name in names if name not in _LEFT_OUT.get(type(value), ()))
        return {name: named(getattr(value, name)) for name in shown} | named(
            getattr(value, "more", {})
        )
    if isinstance(value, Mapping):
        return {str(k): named(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [named(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(named(v) for v in value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def sections(result: ProbeResult) -> tuple[Section, ...]:
    """What a page shows of a probe: how it was done, pictures, tables, the comparison."""
    drawn, missing = _pictures(result)
    unseen = tuple((part.layer, part.reason) for part in result.not_observable)
    tables = (
        _table("Activations", "activation", result.activations),
        _table("Norms", "norm", result.norms),
        _table("Kernels", "kernel", result.kernels),
        _updates(result.updates),
        PageTable("Not observable", ("layer", "why"), unseen),
    )
    kept = tuple(table for table in tables if table.rows)
    first = Section(f"Probe of {result.model}", (*_head(result), *missing), drawn, kept)
    return (first, _comparison(result, result.comparison)) if result.comparison else (first,)


def _pictures(result: ProbeResult) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    names = pictures.drawable(result)
    try:
        return tuple(Picture(_TITLES[n], pictures.svg(result, n)) for n in names), ()
    except UsageError as error:
        said = (f"{m.message}: {m.hint}" if m.hint else m.message for m in error.mistakes)
        return (), tuple(said)


def _head(result: ProbeResult) -> Iterator[str]:
    yield (
        f"On {result.device} in {result.dtype}: {result.samples} samples ({result.source}) in "
        f"{plural(result.batches, 'batch', 'batches')}."
    )
    if result.loss is None:
        yield f"Gradient of {result.objective}."
    else:
        yield f"Loss: {result.loss:.4g} ({result.objective})."
    ratio = result.gradient_ratio
    if ratio is not None:
        yield f"Gradient over weight, first conv/linear layer over last: {ratio:.3g}."
    if result.gap is not None:
        yield (
            f"Train vs eval mode: outputs differ by {percent(result.gap.output)} of their standard "
            f"deviation, the loss by {percent(result.gap.loss)}."
        )
    if result.batch_noise is not None:
        yield f"Output change at batches of {result.batch_size}: {result.batch_noise:.2g}."
    yield from result.notes


def _updates(rows: Sequence[UpdateStats]) -> PageTable:
    """The parameters of a watched training, before and after a step."""
    cells = tuple((u.name, _number(u.ratio), str(u.unchanged)) for u in rows)
    columns = ("parameter", "update over weight", "observed steps without a change")
    return PageTable("Updates", columns, cells)


def _table(title: str, what: str, rows: Sequence[Measured]) -> PageTable:
    numbers = numbers_of(type(rows[0])) if rows else ()
    columns = (what, "kind", *(n.page or n.heading for n in numbers))
    return PageTable(title, columns, tuple(_cells(row, numbers) for row in rows))


def _cells(row: Measured, numbers: Sequence[Number]) -> tuple[Cell, ...]:
    name = row.layer if isinstance(row, KernelStats) else shown_name(row)
    shown = (_marked(n, row) for n in numbers)
    return name, row.kind, *shown


def _marked(number: Number, row: Measured) -> Cell:
    """A number as a cell that stands out if it is a fault."""
    value, style = number.read(row), number.mark(row)
    cell = value if number.share else _number(value)
    return cell if cell is None or not style else Marked(cell, style)


def _comparison(result: ProbeResult, comparison: Comparison) -> Section:
    rates = comparison.rates
    names = ("norm", "norms", "dead", "smallest signal", "gradient, first over last", "loss before")
    after = tuple(f"after, rate {rate:g}" for rate in rates)
    rows = tuple((name, *_variant(v, len(rates))) for name, v in comparison.distinct)
    table = PageTable("Variants", (*names, *after), rows)
    lines = tuple(terminal.basis(result, comparison))
    return Section("Comparison: same weights, norms removed or moved", lines, (), (table,))


def _variant(v: Variant, rates: int) -> tuple[Cell, ...]:
    if v.error:
        return (f"failed: {v.error}", *(None,) * (4 + rates))
    start = terminal.loss_text(v.curves[0].losses[0]) if v.curves else None
    ends = tuple(terminal.loss_text(c.losses[-1]) for c in v.curves) or (None,) * rates
    return (
        str(v.norms),
        v.dead,
        _number(v.signal),
        _number(gradient_ratio(v.kernels)),
        start,
        *ends,
    )


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value + 0.0:.3g}"  # no minus before a zero
