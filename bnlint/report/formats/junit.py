"""JUnit XML: a test case for every model without findings, every finding and every problem."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from bnlint.domain.finding import Finding, Problem, Report
from bnlint.report import Format, RenderOptions
from bnlint.report.lines import place, problem_place

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, options: RenderOptions) -> str:
    """One suite; findings that fail the run are failures, blocking problems are errors."""
    suite = ET.Element("testsuite", name="bnlint")
    dirty = {(finding.location.path, finding.model) for finding in report.findings}
    for model in report.models:
        if (model.ref.file, model.ref.name) not in dirty:
            _case(suite, options.relative(model.ref.file), model.ref.name)
    for finding in report.findings:
        _finding(suite, finding, options)
    for problem in report.problems:
        _problem(suite, problem, options)
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        suite.set(name, str(sum(1 for _ in suite.iter(tag))))
    suite.set("time", f"{sum(report.durations.values()):.3f}")
    root = ET.Element("testsuites", {k: suite.attrib[k] for k in ("tests", "failures", "errors")})
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _finding(suite: ET.Element, finding: Finding, options: RenderOptions) -> None:
    at = finding.location
    path = options.relative(at.path)
    case = _case(suite, path, " ".join(filter(None, (finding.rule, finding.model, finding.layer))))
    text = f"{place(at, options)}: {finding.message}"
    if finding.severity.at_least(options.fail_on):
        _failed(case, "failure", f"{finding.rule} {finding.name}", finding.message, text)
    else:
        ET.SubElement(case, "system-out").text = _legal(f"{finding.severity.value}: {text}")


def _problem(suite: ET.Element, problem: Problem, options: RenderOptions) -> None:
    path, kind = options.relative(problem.file), problem.kind.value
    case = _case(suite, path, f"{kind} {problem.model}".strip())
    said = f"{problem_place(problem, options)}: {problem.message}"
    text = "\n".join(filter(None, (said, problem.hint)))
    if problem.blocking:
        _failed(case, "error", kind, problem.message, text)
    else:
        ET.SubElement(case, "system-out").text = _legal(text)


def _failed(case: ET.Element, tag: str, kind: str, message: str, text: str) -> None:
    ET.SubElement(case, tag, type=kind, message=_legal(message)).text = _legal(text)


def _case(suite: ET.Element, classname: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_legal(classname), name=_legal(name))


def _legal(text: str) -> str:
    """The text without characters that XML does not allow."""
    return _ILLEGAL.sub("\ufffd", text)


FORMAT = Format(render, complete=True)
