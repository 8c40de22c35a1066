"""The zoo's document: a summary, what was missed, and every finding at warning or above."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import torch

from .measure import Row

VERDICTS = Path(__file__).parent / "VERDICTS.md"


def write_document(path: Path, rows: Mapping[str, list[Row]], seconds: Mapping[str, float]) -> None:
    """Write the document; the verdicts beside it are written by people."""
    path.write_text("\n".join(_lines(rows, seconds)) + "\n")


def _lines(rows: Mapping[str, list[Row]], seconds: Mapping[str, float]) -> Iterator[str]:
    every = [row for family in rows.values() for row in family]
    yield "# What bnlint sees of the zoo, and says"
    yield ""
    yield f"Written by `python -m benchmarks.zoo`; torch {torch.__version__}. Models are built"
    yield "without weights, mostly on `meta`. A batch norm counts as known when the operations"
    yield "before and after it are known. The verdicts on the findings stand in"
    yield "[VERDICTS.md](VERDICTS.md)."
    yield ""
    yield "A norm that a whole trace never calls has no neighbours, and is counted apart."
    yield ""
    yield (
        "| library | models | built | whole | batch norms | known | uncalled | median s | max s "
        "| max MB | run s |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for family, found in rows.items():
        yield _summary(f"{family} {_version(family)}", found, seconds[family])
    yield _summary("all", every, sum(seconds.values()))
    yield ""
    yield from _tracers(every)
    yield from _missing(every)
    yield from _findings(every)


def _summary(name: str, rows: list[Row], seconds: float) -> str:
    good = [r for r in rows if not r.failure]
    norms, known = sum(r.norms for r in good), sum(r.known for r in good)
    times = sorted(r.seconds for r in good) or [0.0]
    share = f"{known} ({100 * known / norms:.2f} %)" if norms else "-"
    return (
        f"| {name} | {len(rows)} | {len(good)} | {sum(r.complete for r in good)} | {norms} "
        f"| {share} | {sum(r.uncalled for r in good)} "
        f"| {times[len(times) // 2]:.2f} | {times[-1]:.2f} "
        f"| {max((r.megabytes for r in good), default=0):.0f} | {seconds:.0f} |"
    )


def _version(family: str) -> str:
    try:
        return metadata.version(family)
    except metadata.PackageNotFoundError:
        return ""


def _tracers(rows: list[Row]) -> Iterator[str]:
    counts = Counter(r.tracer for r in rows if not r.failure)
    yield "Steps of the ladder that won: " + ", ".join(f"{t} {n}" for t, n in counts.most_common())
    yield ""


def _missing(rows: list[Row]) -> Iterator[str]:
    yield "## Not built, or not seen whole"
    yield ""
    for row in rows:
        if row.failure:
            yield f"- {row.family} `{row.name}`: {row.failure}"
        elif not row.complete or row.known < row.norms:
            reasons = "; ".join(row.opaque[:2]) or "norms without known neighbours"
            yield f"- {row.family} `{row.name}`: {row.known} of {row.norms} norms known; {reasons}"
    yield ""


def _findings(rows: list[Row]) -> Iterator[str]:
    counts = Counter((f[0], f[1]) for r in rows for f in r.findings)
    models = Counter(key for r in rows for key in {(f[0], f[1]) for f in r.findings})
    yield "## Findings by rule"
    yield ""
    yield "| rule | severity | findings | models |"
    yield "|---|---|---|---|"
    for rule, severity in sorted(counts):
        yield f"| {rule} | {severity} | {counts[rule, severity]} | {models[rule, severity]} |"
    yield ""
    yield "## Every finding at warning and above"
    yield ""
    for row in rows:
        heavy = [f for f in row.findings if f[1] != "info"]
        for rule in sorted({f[0] for f in heavy}):
            layers = [f[2] for f in heavy if f[0] == rule]
            shown = ", ".join(layers[:6]) + (
                f" and {len(layers) - 6} more" if len(layers) > 6 else ""
            )
            yield f"- {rule} {row.family} `{row.name}`: {shown}"
