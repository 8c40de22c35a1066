"""Kinds of jobs: what a child imports for each, and where one that is not confined runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bnlint.domain.errors import ProbeError
from bnlint.domain.finding import ProblemKind
from bnlint.domain.request import Closing, TraceRequest, Trial, TrialRequest, TrialResult
from bnlint.isolation.jobs import (
    KINDS,
    PROBE,
    TRACE,
    TRIAL,
    JobKind,
    ask,
    asked,
    dump,
    kind_of,
    records,
)
from bnlint.pipeline.probe_file import probe_file
from bnlint.probing.given.probe_options import ProbeOptions, ProbeRequest
from tests.unit.isolation.conftest import LINEAR, Check

Write = Callable[[str, str], str]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_a_child_imports_is_there(kind: JobKind) -> None:
    assert callable(kind.load())


def test_a_request_says_what_kind_of_job_it_is() -> None:
    trial = TrialRequest(TraceRequest("/net.py"), Trial("/store"))
    assert [kind_of(r) for r in (trial.file, trial)] == [TRACE, TRIAL]
    assert kind_of(ProbeRequest("", "pkg.net", "Net", ProbeOptions())) is PROBE
    assert asked(ask(1, trial)) == (1, TRIAL, trial)


def test_only_the_records_of_a_kind_are_read(tmp_path: Path) -> None:
    (tmp_path / "answer").write_bytes(dump(TrialResult("Net", "equal")) + dump(Closing()))
    assert len(list(records(str(tmp_path), TRIAL))) == 2
    with pytest.raises(ValueError, match="no record"):
        list(records(str(tmp_path), TRACE))


def test_a_probe_runs_where_the_user_is(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It prints to standard error, and no file of that folder takes the place of a module."""
    write("raise ImportError('the wrong json')\n", "json.py")
    code = LINEAR.replace("self.layer(x)", "self.layer(x).relu()")
    path = write("import os\nprint(os.getcwd(), end='')\n" + code, "deep/net.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert probe_file(path, ProbeOptions(samples=8)).samples == 8
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", str(tmp_path))


def test_a_probe_whose_code_ends_the_process_is_reported(write: Write) -> None:
    code = LINEAR.replace("self.layer(x)", "self.layer(x).relu() if x.is_meta else exit(3)")
    with pytest.raises(ProbeError, match="process ended with code 3 before it had an answer"):
        probe_file(write(code, "net.py"), ProbeOptions(inputs=("2x3",), samples=2))


def test_a_model_that_ends_the_process_is_no_fault_of_ours(check: Check) -> None:
    code = LINEAR.replace("self.layer(x)", "self.layer(x) if x is None else exit(4)")
    problems = check(code).problems
    assert {problem.kind for problem in problems} <= {
        ProblemKind.EXIT,
        ProblemKind.UNTRACEABLE,
        ProblemKind.OPAQUE_PART,
    }
