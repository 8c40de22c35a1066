"""The first config file of a project, as a text: settings in comments, filled from a run.

What is active changes nothing that the run reported; each line says what it is for.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from bnlint.domain.finding import MISSED, Report
from bnlint.domain.graph import ModelRef
from bnlint.domain.phrases import plural
from bnlint.domain.request import InputSpec

FILENAME = "bnlint.toml"

_CALL = re.compile(r"'[^']*::([^']+)'")
_MOST = 30
"""Rows of a table; a project with more needs another way to say it."""

_CONVENTION = "BN101"


def first_config(report: Report, arguments: str) -> str:
    """The text of a config file for the project that the report is about."""
    parts = (_head(report, arguments), _general(report), _severity(report), _models(report))
    tables = (*parts, _inputs(report))
    return "\n".join("\n".join(part) + "\n" for part in map(list, tables) if part)


def _head(report: Report, arguments: str) -> Iterator[str]:
    found = f"{plural(len(report.models), 'model')}, {plural(len(report.findings), 'finding')}"
    yield f"# Settings of bnlint, written by `bnlint init {arguments}` ({found})."
    yield "# Lines behind a # are suggestions. `bnlint --show-settings` prints all settings."


def _general(report: Report) -> Iterator[str]:
    yield "# The lightest severity that ends in exit code 1: error, warning or info."
    yield 'fail-on = "warning"'
    yield ""
    after = sum(f.count for f in report.findings if f.rule == _CONVENTION)
    if after:
        yield f"# Found after an activation: {plural(after, 'norm')} ({_CONVENTION})."
        yield "# If that is your convention:"
        yield '# norm-placement = "after-activation"'
    else:
        yield '# Where your house style puts norms: "before-activation", "after-activation", "any".'
        yield '# norm-placement = "before-activation"'
    yield ""
    yield "# Files and folders to leave out."
    yield '# exclude = ["third_party/"]'
    if report.findings:
        yield ""
        yield "# Report only new findings: run `bnlint baseline write` with the same paths first."
        yield '# baseline = "bnlint-baseline.json"'


def _severity(report: Report) -> Iterator[str]:
    found = Counter((f.rule, f.name) for f in report.findings)
    yield "# Rules by id, prefix or name: error, warning, info or off."
    yield "[severity]"
    if not found:
        yield '# BN203 = "off"'
    for (rule, name), number in sorted(found.items()):
        yield f'# {_key(rule)} = "off"  # {name}: {plural(number, "finding")}'


def _models(report: Report) -> Iterator[str]:
    missed = [p for p in report.problems if p.kind in MISSED and p.model and not p.cell]
    by_file: dict[str, dict[str, str]] = {}
    for problem in missed[:_MOST]:
        if call := _CALL.search(problem.hint):
            by_file.setdefault(problem.file, {})[call[1]] = " ".join(problem.message.split())
    yield "# How to build models whose arguments bnlint cannot guess. Of a file that is named here,"
    yield "# only these models are checked."
    yield "[models]"
    if not by_file:
        yield '# "src/net.py" = ["Net(width=48)"]'
    for file, calls in by_file.items():
        yield from (f"# {message}" for message in calls.values())
        yield f"# {json.dumps(file)} = {json.dumps(list(calls))}"


def _inputs(report: Report) -> Iterator[str]:
    refs = [m.ref for m in report.models if m.ref.inputs.source == "inferred"]
    yield "# The inputs of models; bnlint guessed these." if refs else "# The inputs of models."
    yield "[inputs]"
    if not refs:
        yield '# "src/net.py::Net" = ["1x3x224x224"]'
    for ref in refs[:_MOST]:
        yield f"# {json.dumps(f'{ref.file}::{ref.name}')} = {json.dumps(_specs(ref))}"


def _specs(ref: ModelRef) -> list[str]:
    given = ref.inputs
    specs = []
    for number, shape in enumerate(given.shapes):
        name = given.names[number] if number < len(given.names) else ""
        dtype = given.dtypes[number] if number < len(given.dtypes) else ""
        specs.append(InputSpec(shape, name, dtype.removeprefix("torch.") or "float32").written())
    return specs


def _key(rule: str) -> str:
    return rule if re.fullmatch(r"[\w-]+", rule) else json.dumps(rule)
