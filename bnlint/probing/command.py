"""``bnlint probe``: a model of a file, measured in a process of its own; the host has no torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from bnlint.domain.codec import decode, encode
from bnlint.domain.errors import Mistake, ProbeError, UsageError
from bnlint.domain.finding import Finding, Report
from bnlint.domain.probe import ProbeResult
from bnlint.probing.given.request import ProbeAnswer, ProbeOptions, ProbeRequest
from bnlint.probing.judging.evidence import attach_evidence

DEFAULTS = ProbeOptions()


def probe_file(target: str, options: ProbeOptions = DEFAULTS) -> ProbeResult:
    """What a probe of ``target`` measures: ``net.py::Net(3)``, ``net.py``, ``pkg.module::Net``.

    With ``options.report`` the result's report holds the static findings, too, with evidence.

    Raises
    ------
        UsageError: there is no such file.
        ProbeError: the model cannot be built or probed as asked.

    """
    request = _request(target, options)
    with tempfile.TemporaryDirectory(prefix="bnlint-") as folder:
        answer = _ask(request, Path(folder) / "answer.json")
    if answer.result is None:
        raise ProbeError(*(Mistake(message, hint=hint) for message, hint in answer.mistakes))
    return _with_static(answer.result, options)


def _request(target: str, options: ProbeOptions) -> ProbeRequest:
    name, separator, call = target.partition("::")
    if os.path.isfile(name):
        return ProbeRequest(os.path.abspath(name), "", call.strip(), options)
    dotted = all(part.isidentifier() for part in name.split("."))
    if separator and dotted and not name.endswith(".py"):
        return ProbeRequest("", name, call.strip(), options)
    raise UsageError(Mistake(f"{name}: there is no such file", hint="bnlint probe net.py::Net"))


def _ask(request: ProbeRequest, answer: Path) -> ProbeAnswer:
    """Runs the process to its end; what the user's code prints goes to standard error."""
    quiet = ("-W", "ignore:Failed to initialize NumPy")  # torch says so at import; it is no need
    command = [sys.executable, *quiet, "-m", "bnlint.probing.process", str(answer)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=_environment())
    try:
        process.communicate(json.dumps(encode(request)).encode())
    except BaseException:
        process.kill()
        process.wait()
        raise
    if not answer.exists():
        raise ProbeError(Mistake(f"the probe's process {_ending(process.returncode)}"))
    return decode(ProbeAnswer, json.loads(answer.read_text("utf-8")))


def _environment() -> dict[str, str]:
    """This environment, in which the package is found also when it is not installed."""
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in (known, root) if p)}


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with code {code} before it had an answer"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _as_named(findings: Iterable[Finding], static: Report) -> Iterator[Finding]:
    """The findings with the static run's names for files, so that one file is one in a report."""
    files = [m.ref.file for m in static.models] + [f.location.path for f in static.findings]
    names = {os.path.abspath(file): file for file in files}
    for finding in findings:
        at = finding.location
        known = names.get(os.path.abspath(at.path), at.path)
        yield replace(finding, location=replace(at, path=known))


def _with_static(result: ProbeResult, options: ProbeOptions) -> ProbeResult:
    """The result whose report holds static and measured findings, heaviest first."""
    if options.report is None:
        return result
    static = attach_evidence(options.report, result)
    measured = _as_named(result.report.findings, static)
    findings = sorted((*static.findings, *measured), key=lambda f: f.severity.rank)
    return replace(result, report=replace(static, findings=tuple(findings)))
