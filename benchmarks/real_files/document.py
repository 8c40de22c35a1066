"""The document of a measurement: counts and reasons, and the names of the repositories."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from .funnel import STAGES, Outcome, funnel
from .run import Run


def write_document(path: Path, runs: Sequence[Run], outcomes: Sequence[Outcome | None]) -> None:
    """Write the document about all runs; an outcome is None where a file has no main model."""
    path.write_text("\n".join(_lines(runs, outcomes)) + "\n", encoding="utf-8")


def _lines(runs: Sequence[Run], outcomes: Sequence[Outcome | None]) -> Iterator[str]:
    judged = [o for o in outcomes if o is not None]
    yield "# What bnlint sees of real model files"
    yield ""
    yield "Written by `python -m benchmarks.real_files`. Each file is checked by a run of its own,"
    yield "`bnlint FILE` from the root of its repository. Its main model is chosen from the text"
    yield "alone: of the module classes that no other class uses the one that uses most others. It"
    yield "has right shapes when each of its operations has a known shape, and none failed."
    yield ""
    yield from _funnel(judged)
    yield f"{len(outcomes) - len(judged)} of {len(outcomes)} files hold no model."
    yield ""
    yield from _costs(runs, outcomes)
    yield from _findings(runs)
    for stage, name in enumerate(STAGES):
        yield from _reasons(name, [o for o in judged if o.reached == stage])
    yield from _repositories(runs)


def _funnel(judged: Sequence[Outcome]) -> Iterator[str]:
    yield "| files with a model | " + " | ".join(STAGES) + " |"
    yield "|---" * (len(STAGES) + 1) + "|"
    of = max(len(judged), 1)
    cells = [f"{count} ({100 * count / of:.0f} %)" for count in funnel(judged)]
    yield f"| {len(judged)} | " + " | ".join(cells) + " |"
    yield ""


def _costs(runs: Sequence[Run], outcomes: Sequence[Outcome | None]) -> Iterator[str]:
    pairs = [(run, o) for run, o in zip(runs, outcomes, strict=True) if o is not None]
    yield "## Cost"
    yield ""
    yield "| main model | files | median s | mean s | max s | median MB | max MB |"
    yield "|---|---|---|---|---|---|---|"
    for name, built in (("built", True), ("not built", False)):
        chosen = [run for run, o in pairs if (o.reached >= 2) == built]
        if chosen:
            yield f"| {name} | {len(chosen)} | {_numbers(chosen)} |"
    yield ""
    codes = Counter("none in time" if run.exit is None else str(run.exit) for run in runs)
    yield "Exit codes: " + ", ".join(f"{code} {n}x" for code, n in sorted(codes.items())) + "."
    yield ""


def _numbers(runs: Sequence[Run]) -> str:
    seconds, memory = [r.seconds for r in runs], [r.megabytes for r in runs]
    return (
        f"{median(seconds):.1f} | {sum(seconds) / len(runs):.1f} | {max(seconds):.1f} "
        f"| {median(memory):.0f} | {max(memory):.0f}"
    )


def _findings(runs: Sequence[Run]) -> Iterator[str]:
    yield "## Findings"
    yield ""
    yield "| rule | severity | findings | files |"
    yield "|---|---|---|---|"
    keys = [(f["rule"], f["severity"], r.file) for r in runs for f in r.report.get("findings", [])]
    counts = Counter(key[:2] for key in keys)
    files = Counter(key[:2] for key in set(keys))
    for rule, severity in sorted(counts):
        yield (f"| {rule} | {severity} | {counts[rule, severity]} | {files[rule, severity]} |")
    yield ""


def _reasons(stage: str, stopped: Sequence[Outcome]) -> Iterator[str]:
    yield f"## Not {stage}: {len(stopped)}"
    yield ""
    for reason, count in Counter(o.reason for o in stopped).most_common():
        yield f"- {count}x {reason}"
    if stopped:
        yield ""


def _repositories(runs: Sequence[Run]) -> Iterator[str]:
    names = sorted({run.file.partition("/")[0].replace("+", "/") for run in runs}, key=str.lower)
    yield f"## The {len(names)} repositories"
    yield ""
    yield from textwrap.wrap(
        "Found by parts of names (unet-pytorch, crnn, tacotron …), of those with 5 to 400 files one"
        " for every fifth letter of the alphabet, one for each owner, never by result. Of each, the"
        " first file that defines a model, those called after models or nets first; of bigger ones"
        " also files further down.",
        100,
    )
    yield ""
    yield from textwrap.wrap(", ".join(names), 100, break_on_hyphens=False, break_long_words=False)
