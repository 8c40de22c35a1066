"""The measurements as chapters of a page: pictures, and a table for each kind of layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bnlint.domain.errors import UsageError
from bnlint.domain.finding import Cell, PageTable, Picture, Section
from bnlint.domain.probe import (
    ActivationStats,
    Comparison,
    KernelStats,
    NormStats,
    ProbeResult,
    Variant,
    gradient_ratio,
)
from bnlint.probing.showing import plots

_TITLES = {
    "units": "Units of each activation: dead, switching, always on",
    "grad-flow": "Gradient at each kernel",
    "ridge": "Values before and after each activation",
    "loss": "Loss with the same weights and norms elsewhere",
}


def chapters(result: ProbeResult) -> tuple[Section, ...]:
    """What a page shows of a probe: how it was done, pictures, tables, the comparison."""
    pictures, missing = _pictures(result)
    tables = (
        _activations(result.activations),
        _norms(result.norms),
        _kernels(result.kernels),
        _unseen(result),
    )
    kept = tuple(table for table in tables if table.rows)
    first = Section(f"Probe of {result.model}", (*_head(result), *missing), pictures, kept)
    return (first, _comparison(result.comparison)) if result.comparison else (first,)


def _pictures(result: ProbeResult) -> tuple[tuple[Picture, ...], tuple[str, ...]]:
    """The pictures, or why there are none."""
    names = plots.drawable(result)
    try:
        return tuple(Picture(_TITLES[n], plots.svg(result, n)) for n in names), ()
    except UsageError as error:
        said = (f"{m.message}: {m.hint}" if m.hint else m.message for m in error.mistakes)
        return (), tuple(said)


def _head(result: ProbeResult) -> Iterator[str]:
    batches = "1 batch" if result.batches == 1 else f"{result.batches} batches"
    yield (
        f"On {result.device} in {result.dtype}: {result.samples} samples ({result.source}) in "
        f"{batches}."
    )
    loss = "" if result.loss is None else f", which is {result.loss:.4g}"
    yield f"Gradient of {result.objective}{loss}."
    ratio = result.gradient_ratio
    if ratio is not None:
        yield f"Gradient over weight, first kernel over last: {ratio:.3g}."
    if result.gap is not None:
        yield (
            f"Train against eval mode: output {result.gap.output:.2g} of its spread, loss by "
            f"{result.gap.loss:.0%}."
        )
    if result.batch_noise is not None:
        yield f"Output change at batches of {result.batch_size}: {result.batch_noise:.2g}."
    yield from result.notes


def _activations(rows: Sequence[ActivationStats]) -> PageTable:
    names = ("activation", "kind", "mean", "deviation", "dead", "always on", "inactive")
    more = ("saturated", "signal", "largest gradient")
    return PageTable("Activations", (*names, *more), tuple(map(_activation, rows)))


def _activation(a: ActivationStats) -> tuple[Cell, ...]:
    shares = (a.dead, a.always_on, a.inactive, a.saturated)
    first = (_name(a), a.kind, _number(a.mean), _number(a.std))
    return (*first, *shares, _number(a.signal), _number(a.gradient))


def _norms(rows: Sequence[NormStats]) -> PageTable:
    names = ("norm", "kind", "mean", "deviation", "low variance", "drift of mean (sigma)")
    return PageTable("Norms", (*names, "drift of variance (log2)"), tuple(map(_norm, rows)))


def _norm(n: NormStats) -> tuple[Cell, ...]:
    drift = (_number(n.drift_mean), _number(n.drift_variance)) if n.tracked else (None, None)
    return (_name(n), n.kind, _number(n.mean), _number(n.std), n.low_variance, *drift)


def _kernels(rows: Sequence[KernelStats]) -> PageTable:
    names = ("kernel", "kind", "norm of weight", "norm of gradient", "gradient over weight")
    cells = tuple(
        (k.layer, k.kind, _number(k.weight_norm), _number(k.gradient), _number(k.ratio))
        for k in rows
    )
    return PageTable("Kernels", names, cells)


def _unseen(result: ProbeResult) -> PageTable:
    rows = tuple((part.layer, part.reason) for part in result.not_observable)
    return PageTable("Not observable", ("layer", "why"), rows)


def _comparison(comparison: Comparison) -> Section:
    rates = [c.rate for c in next((v.curves for v in comparison.variants if v.curves), ())]
    names = ("norm", "norms", "dead", "smallest signal", "gradient, first over last", "loss before")
    after = tuple(f"after, rate {rate:g}" for rate in rates)
    rows = tuple(_variant(v, len(rates)) for v in comparison.variants)
    line = (
        f"The same weights, batch and seed; {comparison.objective} on {comparison.samples} "
        f"samples, before and after {comparison.steps} steps of plain gradient descent."
    )
    return Section("Norms elsewhere", (line,), (), (PageTable("Variants", (*names, *after), rows),))


def _variant(v: Variant, rates: int) -> tuple[Cell, ...]:
    if v.error:
        return (v.name, f"failed: {v.error}", *(None,) * (4 + rates))
    dead = [a.dead for a in v.activations if a.dead is not None]
    start = v.curves[0].losses[0] if v.curves else None
    ends = tuple(_number(c.losses[-1]) for c in v.curves) or (None,) * rates
    return (
        v.name,
        str(v.norms),
        sum(dead) / len(dead) if dead else None,
        _number(v.signal),
        _number(gradient_ratio(v.kernels)),
        _number(start),
        *ends,
    )


def _name(row: ActivationStats | NormStats) -> str:
    return f"{row.layer} #{row.call + 1}" if row.call else row.layer


def _number(value: float | None) -> Cell:
    return None if value is None else f"{value + 0.0:.3g}"  # no minus before a zero
