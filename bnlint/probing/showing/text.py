"""A probe for the terminal: tables with small bars, the gradient line, the comparison, findings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from bnlint.domain.graph import Location
from bnlint.domain.probe import ActivationStats, Comparison, NormStats, ProbeResult, Variant, ends
from bnlint.domain.probe import gradient_ratio as ratio_of

Paint = Callable[[str, str], str]
"""Puts a text into a style: error, warning, info, bold, dim or good."""

EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR = 5


def plain_paint(text: str, _style: str) -> str:
    """The text as it is."""
    return text


def render(result: ProbeResult, paint: Paint = plain_paint) -> str:
    """The whole result as text; ``paint`` colours it."""
    blocks = [
        _head(result, paint),
        _activations(result.activations, paint),
        _norms(result.norms, paint),
        _gradient(result),
        _unseen(result, paint),
        _comparison(result.comparison, paint) if result.comparison else (),
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
    yield paint(f"probe of {result.model}", "bold")
    yield f"on {result.device} in {result.dtype}, {samples} in {result.batches} batch(es)"
    loss = "" if result.loss is None else f" = {result.loss:.4g}"
    yield f"gradient of {result.objective}{loss}"
    yield from (paint(f"note: {note}", "warning") for note in result.notes)


def _activations(rows: Sequence[ActivationStats], paint: Paint) -> Iterator[str]:
    width = max([len(_name(a)) for a in rows] + [10])
    title = f"{'activation':<{width}}  {'kind':<10} {'mean':>9} {'std':>8}"
    heads = "".join(f"  {name:<10}" for name in ("dead", "always on", "inactive", "saturated"))
    yield paint(f"{title}{heads}  {'signal':>7}", "dim")
    for a in rows:
        numbers = f"{_name(a):<{width}}  {a.kind:<10} {a.mean:>9.3g} {a.std:>8.3g}"
        dead = _share(a.dead, "error" if (a.dead or 0) > 0.5 else "", paint)
        frozen = "warning" if (a.frozen or 0) >= 0.9 else ""
        shares = f"{dead}{_share(a.always_on, frozen, paint)}{_share(a.inactive, '', paint)}"
        full = "warning" if (a.saturated or 0) > 0.5 and not a.at_output else ""
        yield f"{numbers}{shares}{_share(a.saturated, full, paint)}{_signal(a, paint)}".rstrip()


def _signal(a: ActivationStats, paint: Paint) -> str:
    if a.signal is None:
        return ""
    text = f"  {a.signal:>7.1e}"
    return paint(text, "warning") if a.signal < 1e-2 else text


def _name(a: ActivationStats | NormStats) -> str:
    return f"{a.layer}#{a.call + 1}" if a.call else a.layer


def _share(share: float | None, style: str, paint: Paint) -> str:
    if share is None:
        return "  " + " " * (BAR + 5)
    text = f"  {bar(share)} {share:>4.0%}"
    return paint(text, style) if style else text


def _norms(rows: Sequence[NormStats], paint: Paint) -> Iterator[str]:
    if not rows:
        return
    width = max([len(_name(n)) for n in rows] + [10])
    title = f"{'norm':<{width}}  {'kind':<12} {'mean':>9} {'std':>8}  {'low variance':<12}"
    yield paint(f"{title}  {'drift of mean':>13}  {'of variance':>11}", "dim")
    for n in rows:
        low = f"{bar(n.low_variance)} {n.low_variance:>4.0%}"
        numbers = f"{_name(n):<{width}}  {n.kind:<12} {n.mean:>9.3g} {n.std:>8.3g}  {low:<12}"
        yield f"{numbers}  {_drift(n)}".rstrip()


def _drift(n: NormStats) -> str:
    if n.drift_mean is None or n.drift_variance is None or not n.tracked:
        return ""
    return f"{n.drift_mean:>7.2g} sigma  {2**n.drift_variance:>10.2g}x"


def _gradient(result: ProbeResult) -> Iterator[str]:
    found, ratio = ends(result.kernels), result.gradient_ratio
    if ratio is None or found is None:
        return
    first, last = found
    yield (
        f"gradient / weight: {first.ratio:.1e} at {first.layer}, {last.ratio:.1e} at "
        f"{last.layer}; first over last {ratio:.2g}"
    )


def _unseen(result: ProbeResult, paint: Paint) -> Iterator[str]:
    for part in result.not_observable:
        yield paint(f"not observable: {part.layer} ({part.reason})", "warning")


def _comparison(comparison: Comparison, paint: Paint) -> Iterator[str]:
    rates = [c.rate for c in next((v.curves for v in comparison.variants if v.curves), ())]
    yield paint(
        f"the same weights with norms elsewhere: {comparison.objective} on {comparison.samples} "
        f"samples, before and after {comparison.steps} steps of gradient descent",
        "bold",
    )
    heads = "".join(f"{f'rate {rate:g}':>12}" for rate in rates)
    title = f"{'variant':<12}{'norms':>6}{'dead':>8}{'signal':>10}{'gradient':>10}{'start':>9}"
    yield paint(title + heads, "dim")
    yield from (_variant(v) for v in comparison.variants)
    yield from _advice(comparison)


def _variant(v: Variant) -> str:
    if v.error:
        return f"{v.name:<12}failed: {v.error}"
    dead = [a.dead for a in v.activations if a.dead is not None]
    mean = f"{sum(dead) / len(dead):.0%}" if dead else "-"
    signal = v.signal or 0.0
    ratio = ratio_of(v.kernels)
    grown = "-" if ratio is None else f"{ratio:.1e}"
    start = f"{v.curves[0].losses[0]:>9.3g}" if v.curves else f"{'-':>9}"
    ends = "".join(f"{c.losses[-1]:>12.3g}" for c in v.curves)
    return f"{v.name:<12}{v.norms:>6}{mean:>8}{signal:>10.1e}{grown:>10}{start}{ends}"


def _advice(comparison: Comparison) -> Iterator[str]:
    """Names the alternatives where the net without norms is what fails."""
    best = {
        v.name: min((c.losses[-1] for c in v.curves), default=None) for v in comparison.variants
    }
    none, before = best.get("none"), best.get("before")
    if none is not None and before is not None and none > 1.5 * before > 0:
        yield (
            "a norm is one way out; an initialisation that fits the activation (He, LSUV) or "
            "residual connections may do as well"
        )


def _place(at: Location) -> str:
    """Where a finding is, from the current folder if it is in there; empty if it is nowhere."""
    if not at.path or at.path.startswith("<"):
        return ""
    path = os.path.relpath(at.path)
    return f"{at.path if path.startswith('..') else path}:{at.line}:{at.column}: "


def _findings(result: ProbeResult, paint: Paint) -> Iterator[str]:
    for f in result.report.findings:
        severity = paint(f.severity.value, f.severity.value)
        yield f"{paint(_place(f.location), 'dim')}{severity} {f.name}: {f.message}"
        if f.evidence is not None and not f.rule.startswith("probe/"):
            yield f"    measured: {f.evidence.summary}"
    if not result.report.findings:
        yield paint("nothing to report", "good")
