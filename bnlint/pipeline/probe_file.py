"""A model of a file, measured in a process of its own: the story of ``bnlint probe``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bnlint.config import Settings
from bnlint.domain.errors import Mistake, ProbeError, UsageError
from bnlint.domain.finding import Finding, Problem, Report, Severity
from bnlint.domain.graph import Location
from bnlint.domain.probe import ProbeResult
from bnlint.isolation.endings import ChildLost, answer
from bnlint.isolation.jobs import Limits
from bnlint.isolation.one_worker import OneWorker
from bnlint.pipeline.measured import kept, weighed
from bnlint.pipeline.run import Means, check_whole
from bnlint.probing.given.probe_options import ProbeOptions, ProbeRequest
from bnlint.probing.judging.evidence import attach_evidence
from bnlint.probing.judging.metric import PREFIX
from bnlint.sources import Paths

DEFAULTS = ProbeOptions()

_WHERE_FORKS_WORK = ("", "cpu")
"""Devices on which a process may be a fork; accelerators may want a process that started afresh."""

_ADVICE = re.compile(r"[;,.] `bnlint probe` shows [^;.]*")
"""What rules say to someone who has not measured yet."""


def probe_checked(target: str, options: ProbeOptions, settings: Settings) -> ProbeResult:
    """What a probe of ``target`` measures, with the findings of the static run before it.

    One worker does both: torch is imported once.
    """
    share = options.device in _WHERE_FORKS_WORK
    with OneWorker(Limits.of(settings), share=share) as worker:
        static = check_whole(settings, Means(tracer=worker.trace))[0]
        # The graphs are for the page: the process that measures has its own.
        options = replace(options, report=replace(static, graphs=()))
        result = probe_file(target, options, settings.sandbox, settings, worker)
    return replace(result, report=replace(result.report, graphs=static.graphs))


def probe_file(
    target: str,
    options: ProbeOptions = DEFAULTS,
    sandbox: str = "auto",
    settings: Settings | None = None,
    worker: OneWorker | None = None,
) -> ProbeResult:
    """What a probe of ``target`` measures: ``net.py::Net(3)``, ``net.py``, ``pkg.module::Net``.

    With ``options.report`` the result's report holds the static findings, too, with evidence.
    ``sandbox`` is that of the settings. With ``settings``, measured findings are selected, weighed
    and suppressed as those of rules. The ``worker`` is that of the static run.

    Raises
    ------
    UsageError
        When there is no such file.
    ProbeError
        When the model cannot be built or probed as asked.

    """
    with worker or OneWorker(Limits(sandbox=sandbox)) as worker:
        result = _measured(_request(target, options), worker)
    if settings is not None:
        findings = tuple(weighed(result.report.findings, settings))
        result = replace(result, report=replace(result.report, findings=findings))
    return result if options.report is None else _with_static(result, options.report)


def _request(target: str, options: ProbeOptions) -> ProbeRequest:
    name, separator, call = target.partition("::")
    if os.path.isfile(name):
        return ProbeRequest(os.path.abspath(name), "", call.strip(), options)
    dotted = all(part.isidentifier() for part in name.split("."))
    if separator and dotted and not name.endswith(".py"):
        return ProbeRequest("", name, call.strip(), options)
    raise UsageError(Mistake(f"{name}: there is no such file", hint="bnlint probe net.py::Net"))


def _measured(request: ProbeRequest, worker: OneWorker) -> ProbeResult:
    """Runs the model for as long as that takes, and with the memory that it needs."""
    try:
        with worker.job(request) as ended:
            found = answer(request, ended)
    except ChildLost as lost:
        raise ProbeError(Mistake(f"the probe's process {lost}")) from None
    if isinstance(found, Problem):
        raise ProbeError(Mistake(found.message, hint=found.hint))
    if found.result is None:
        raise ProbeError(*(Mistake(message, hint=hint) for message, hint in found.mistakes))
    result: ProbeResult = found.result
    return result


def _with_static(result: ProbeResult, static: Report) -> ProbeResult:
    """The result whose report holds static and measured findings.

    Static errors come first, since the graph is wrong; then what was measured, in the order in
    which it begins; then the other static findings. Information comes last.
    """
    static = attach_evidence(static, result)
    static = replace(static, findings=tuple(map(_within_probe, static.findings)))
    paths = Paths(Path.cwd(), Path.cwd())
    measured, hidden = kept(_as_named(result.report.findings, static), paths)

    def place(finding: Finding) -> tuple[bool, int]:
        probed = finding.rule.startswith(PREFIX)
        error = finding.severity is Severity.ERROR
        return finding.severity is Severity.INFO, 1 if probed else 2 - 2 * error

    findings = tuple(sorted((*static.findings, *measured), key=place))
    suppressed = static.suppressed + hidden
    return replace(result, report=replace(static, findings=findings, suppressed=suppressed))


def _as_named(findings: Iterable[Finding], static: Report) -> Iterator[Finding]:
    """The findings with the static run's names for files, so that one file is one in a report."""
    files = [m.ref.file for m in static.models] + [f.location.path for f in static.findings]
    names = {os.path.abspath(file): file for file in files}
    for finding in findings:
        yield replace(
            finding,
            location=_renamed(finding.location, names),
            anchors=tuple(_renamed(a, names) for a in finding.anchors),
            related=tuple(
                replace(r, location=_renamed(r.location, names) if r.location else None)
                for r in finding.related
            ),
        )


def _within_probe(finding: Finding) -> Finding:
    """The finding without the advice to run what is running."""
    return replace(finding, message=_ADVICE.sub("", finding.message))


def _renamed(at: Location, names: Mapping[str, str]) -> Location:
    return replace(at, path=names.get(os.path.abspath(at.path), at.path))
