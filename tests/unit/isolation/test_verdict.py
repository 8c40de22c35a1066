from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import ModelGraph, ModelRef, Trace
from bnlint.domain.request import Closing, TraceRequest
from bnlint.isolation.endings import outcome
from bnlint.isolation.jobs import TRACE, Ended, Limits, ask, asked, dump, records

GRAPH = ModelGraph(ModelRef("/net.py", "Net", "class"), (), (), Trace("symbolic", True))
PROBLEM = Problem(ProblemKind.NOT_BUILT, "/net.py", "no")
REQUEST = TraceRequest("/net.py")


def judged(folder: Path, *answer: bytes, status: int = 1, killed: str = "", output: str = "",
           faults: str = "") -> tuple[int, list[Problem]]:  # fmt: skip
    (folder / "answer").write_bytes(b"".join(answer))
    (folder / "output").write_text(output)
    (folder / "faults").write_text(faults)
    found = outcome(REQUEST, Ended(0, str(folder), status, killed), Limits(5, 1 << 30))
    return len(found.graphs), list(found.problems)


def test_a_whole_answer_needs_no_verdict(tmp_path: Path) -> None:
    answer = (dump(GRAPH), dump(PROBLEM), dump(Closing(("/a.py",), "2.9")))
    assert judged(tmp_path, *answer, status=-9) == (1, [PROBLEM])


@pytest.mark.parametrize(
    ("status", "killed", "output", "kind"),
    [
        (-signal.SIGKILL, "timeout", "", ProblemKind.TIMEOUT),
        (-signal.SIGKILL, "", "", ProblemKind.MEMORY),
        (-signal.SIGABRT, "", "terminate called: std::bad_alloc", ProblemKind.MEMORY),
        (-signal.SIGSEGV, "", "", ProblemKind.CRASH),
        (0, "", "", ProblemKind.EXIT),
        (3, "", "", ProblemKind.EXIT),
    ],
)
def test_how_a_child_ended(
    status: int, killed: str, output: str, kind: ProblemKind, tmp_path: Path
) -> None:
    graphs, (problem,) = judged(tmp_path, status=status, killed=killed, output=output)
    assert (graphs, problem.kind, problem.blocking) == (0, kind, True)


def test_a_crash_while_the_last_line_is_noted_is_a_timeout(tmp_path: Path) -> None:
    noted = "Timeout (0:00:57)!\nThread 0x1 (most recent call first):\n"
    _, (problem,) = judged(tmp_path, status=-signal.SIGSEGV, faults=noted)
    assert problem.kind is ProblemKind.TIMEOUT
    fatal = "Fatal Python error: Segmentation fault\n"
    _, (problem,) = judged(tmp_path, status=-signal.SIGSEGV, faults=fatal)
    assert problem.kind is ProblemKind.CRASH


def test_a_crash_after_a_graph_does_not_block(tmp_path: Path) -> None:
    graphs, (problem,) = judged(tmp_path, dump(GRAPH), status=-signal.SIGSEGV)
    assert graphs == 1
    assert not problem.blocking


def test_a_line_cut_off_is_left_out(tmp_path: Path) -> None:
    graphs, problems = judged(tmp_path, dump(GRAPH), dump(PROBLEM)[:-9], status=-signal.SIGSEGV)
    assert graphs == 1
    assert [p.kind for p in problems] == [ProblemKind.CRASH]


def test_the_innermost_line_of_the_file_itself_is_named(tmp_path: Path) -> None:
    faults = (
        'Fatal Python error: Segmentation fault\n  File "/lib/ctypes.py", line 500 in string_at\n'
        '  File "/net.py", line 7 in f\n  File "/net.py", line 9 in <module>\n'
    )
    _, (problem,) = judged(tmp_path, status=-signal.SIGSEGV, faults=faults)
    assert problem.line == 7


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert list(records(str(tmp_path / "gone"), TRACE)) == []


def test_requests_survive_the_pipe() -> None:
    request = TraceRequest("/net.py", text="a\nb\u2028c", search=("/x",), layers=(("A", "relu"),))
    assert asked(ask(4, request)) == (4, TRACE, request)
    assert ask(4, request).count(b"\n") == 1
