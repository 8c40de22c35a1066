from __future__ import annotations

from pathlib import Path

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.sources.paths import Paths


def test_a_hint_names_the_file_as_it_can_be_given_from_here() -> None:
    hint = "say how to build it: bnlint 'net.py::Net(width=...)'"
    problem = Problem(ProblemKind.NOT_BUILT, "/home/a/src/net.py", "no", hint)
    shown = Paths(Path("/home/a"), Path("/home")).problem(problem)
    assert (shown.file, shown.hint) == ("src/net.py", hint.replace("net.py", "src/net.py"))
    outside = Paths(Path("/tmp"), Path("/tmp")).problem(problem)
    assert outside.hint == hint.replace("net.py", "/home/a/src/net.py")
