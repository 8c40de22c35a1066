"""A probe for the terminal: tables with small bars, the gradient line, the comparison, findings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from bnlint.domain.graph import Location
from bnlint.domain.phrases import percent, plural
from bnlint.domain.probe import Comparison, ProbeResult, Variant
from bnlint.domain.probe_rows import ActivationStats, NormStats, ends, gradient_ratio, shown_name
from bnlint.probing.judging.metric import PREFIX, Number, numbers_of

Paint = Callable[[str, str], str]
"""Puts a text into a style: error, warning, info, bold, dim or good."""

Row = ActivationStats | NormStats

EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR = 5


def plain_paint(text: str, _style: str) -> str:
    """The text as it is."""
    return text


def render(result: ProbeResult, paint: Paint = plain_paint) -> str:
    """The whole result as text; ``paint`` colours it."""
    blocks = [
        _head(result, paint),
        _table("activation", result.activations, 10, paint),
        _table("norm", result.norms, 12, paint),
        _gradient(result),
        (
            paint(f"not observable: {part.layer} ({part.reason})", "warning")
            for part in result.not_observable
        ),
        _comparison(result, result.comparison, paint) if result.comparison else (),
        _findings(result, paint),
    ]
    return "\n\n".join(text for block in blocks if (text := "\n".join(block))) + "\n"


def bar(share: float, width: int = BAR) -> str:
    """A share as a bar of ``width`` cells, exact to an eighth; anything above zero shows."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    eighths = max(eighths, 1) if share > 0 else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)


def _head(result: ProbeResult, paint: Paint) -> Iterator[str]:
    source = {"synthetic": "samples of N(0, 1) noise", "file": "samples from a file"}
    samples = f"{result.samples} {source.get(result.source, 'samples')}"
    batches = plural(result.batches, "batch", "batches")
    yield paint(f"probe of {result.model}", "bold")
    yield f"on {result.device} in {result.dtype}, {samples} in {batches}"
    if result.loss is None:
        yield f"gradient of {result.objective}"
    else:
        yield f"loss: {result.loss:.4g} ({result.objective})"
    yield from (paint(f"note: {note}", "warning") for note in result.notes)


def _table(what: str, rows: Sequence[Row], kind_width: int, paint: Paint) -> Iterator[str]:
    if not rows:
        return
    numbers = [n for n in numbers_of(type(rows[0])) if n.heading]
    names = [shown_name(row) for row in rows]
    width = max(10, *map(len, names))
    heads = "".join(
        f"  {n.heading:<{BAR + 5}}" if n.share else n.heading.rjust(n.width) for n in numbers
    )
    yield paint(f"{what:<{width}}  {'kind':<{kind_width}}{heads}".rstrip(), "dim")
    for name, row in zip(names, rows, strict=True):
        cells = "".join(_cell(number, row, paint) for number in numbers)
        yield f"{name:<{width}}  {row.kind:<{kind_width}}{cells}".rstrip()


def _cell(number: Number, row: Row, paint: Paint) -> str:
    value, style = number.read(row), number.mark(row)
    if number.share:
        share = "" if value is None else f"{bar(value)} {value:>4.0%}"
        text = f"  {share:<{max(BAR + 5, len(number.heading))}}"
    else:
        text = ("" if value is None else number.text(value)).rjust(number.width)
    return paint(text, style) if style and value is not None else text


def _gradient(result: ProbeResult) -> Iterator[str]:
    found, ratio = ends(result.kernels), result.gradient_ratio
    if ratio is None or found is None:
        return
    first, last = found
    yield (
        f"gradient / weight: {first.ratio:.1e} at {first.layer}, {last.ratio:.1e} at "
        f"{last.layer}; first over last {ratio:.2g}"
    )


def _comparison(result: ProbeResult, comparison: Comparison, paint: Paint) -> Iterator[str]:
    yield paint("Comparison: same weights, norms removed or moved", "bold")
    yield from basis(result, comparison)
    heads = "".join(f"{f'rate {rate:g}':>12}" for rate in comparison.rates)
    variants = comparison.distinct
    width = max(12, *(len(name) + 2 for name, _ in variants))
    title = f"{'norm':<{width}}{'norms':>6}{'dead':>8}{'signal':>10}{'gradient':>10}{'start':>12}"
    yield paint(title + heads, "dim")
    yield from (f"{name:<{width}}{_variant(v)}" for name, v in variants)
    yield from _advice(comparison)


def basis(result: ProbeResult, comparison: Comparison) -> Iterator[str]:
    """What a comparison was measured on, and how far that carries."""
    kind = "samples of N(0, 1) noise" if result.source == "synthetic" else "given samples"
    yield (
        f"Loss: {comparison.objective} on {comparison.samples} {kind}, before and after "
        f"{plural(comparison.steps, 'step')} of gradient descent."
    )
    if "random" in comparison.objective:
        yield (
            "There is nothing to learn in it but these random numbers: the losses show how well "
            "each variant can be trained, not how well it does your task. For that, pass data "
            "with targets and a loss (--data, --loss)."
        )


def loss_text(value: float) -> str:
    """A loss with enough digits to tell 2.303 from 2.280."""
    return f"{value:#.4g}"


def _variant(v: Variant) -> str:
    if v.error:
        return f"failed: {v.error}"
    dead = "-" if v.dead is None else percent(v.dead)
    signal = v.signal or 0.0
    ratio = gradient_ratio(v.kernels)
    grown = "-" if ratio is None else f"{ratio:.1e}"
    start = loss_text(v.curves[0].losses[0]) if v.curves else "-"
    ends = "".join(f"{loss_text(c.losses[-1]):>12}" for c in v.curves)
    return f"{v.norms:>6}{dead:>8}{signal:>10.1e}{grown:>10}{start:>12}{ends}"


def _advice(comparison: Comparison) -> Iterator[str]:
    """Names the alternatives where the net without norms is what fails."""
    best = {
        v.name: min((c.losses[-1] for c in v.curves), default=None) for v in comparison.variants
    }
    none, before = best.get("none"), best.get("before")
    if none is not None and before is not None and none > 1.5 * before > 0:
        yield (
            "A norm is one way out; an initialization that fits the activation (He, LSUV) or "
            "skip connections may do as well."
        )


def place(at: Location) -> str:
    """The start of a line about this place; empty where there is no file."""
    if not at.path or at.path.startswith("<"):
        return ""
    path = os.path.relpath(at.path)
    return f"{at.path if path.startswith('..') else path}:{at.line}:{at.column}: "


def _findings(result: ProbeResult, paint: Paint) -> Iterator[str]:
    for f in result.report.findings:
        severity = paint(f.severity.value, f.severity.value)
        yield f"{paint(place(f.location), 'dim')}{severity} {f.name}: {f.message}"
        if f.evidence is not None and not f.rule.startswith(PREFIX):
            yield f"    measured: {f.evidence.summary}"
    if not result.report.findings:
        yield paint("nothing to report", "good")
