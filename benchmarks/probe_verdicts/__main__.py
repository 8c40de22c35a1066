"""A table of what the probe says: of healthy nets nothing, of sick ones the cause first.

Run: ``python -m benchmarks.probe_verdicts [--write] [NAME ...]``; the libraries' nets need the
``zoo`` extra. ``--write`` writes ``benchmarks/probe_verdicts.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.probe_verdicts.healthy_kinds import HEALTHY
from benchmarks.probe_verdicts.libraries import register
from benchmarks.probe_verdicts.sick_losses import SICK
from bnlint.domain.errors import BnlintError
from bnlint.domain.finding import Finding, Severity
from bnlint.probing.probe_model import probe

FILE = Path(__file__).parent.parent / "probe_verdicts.md"


def found(model: torch.nn.Module, data: Any, options: dict[str, Any]) -> list[Finding]:
    """The findings at warning and above, in the order of the report."""
    result = probe(model, data, **options)
    return [f for f in result.report.findings if f.severity is not Severity.INFO]


def shown(findings: list[Finding]) -> str:
    return ", ".join(f"{f.name} at `{f.layer}`" if f.layer else f.name for f in findings) or "-"


def healthy(names: list[str]) -> Iterator[tuple[str, str, bool]]:
    for name, make in HEALTHY.items():
        if names and name not in names:
            continue
        torch.manual_seed(0)
        try:
            findings = found(*make())
        except BnlintError as error:
            yield name, f"not probed: {error}", False
            continue
        yield name, shown(findings), not findings


def sick(names: list[str]) -> Iterator[tuple[str, str, str, bool]]:
    for name, make in SICK.items():
        if names and name not in names:
            continue
        torch.manual_seed(0)
        case = make()
        try:
            findings = found(case.model, case.data, case.options)
        except BnlintError as error:
            yield name, " or ".join(case.causes), f"not probed: {error}", False
            continue
        first = bool(findings) and findings[0].name in case.causes
        yield name, " or ".join(case.causes), shown(findings), first


def main() -> None:
    """Print both tables, and how many verdicts are right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", choices=("healthy", "sick"))
    given = parser.parse_args()
    if not given.names:
        register()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    counts = {}
    if given.only != "sick":
        say("| healthy net | warnings and errors | right |\n|---|---|---|")
        right = []
        for name, said, fine in healthy(given.names):
            say(f"| {name} | {said} | {'yes' if fine else 'NO'} |")
            right.append(fine)
        counts["healthy"] = f"{sum(right)} of {len(right)} healthy nets without a warning"
        say("")
    if given.only != "healthy":
        say("| sick net | cause | found, in order | cause first |\n|---|---|---|---|")
        right = []
        for name, cause, said, first in sick(given.names):
            say(f"| {name} | {cause} | {said} | {'yes' if first else 'NO'} |")
            right.append(first)
        counts["sick"] = f"{sum(right)} of {len(right)} sick nets with the cause first"
        say("")
    say("; ".join(counts.values()) + ".")
    if given.write:
        head = "# What the probe says of healthy and of sick nets\n\n"
        how = "Written by `python -m benchmarks.probe_verdicts --write` "
        how += f"(torch {torch.__version__}, CPU).\n\n"
        FILE.write_text(head + how + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
