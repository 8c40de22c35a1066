"""Statements of a file run one by one: what fails, and what is still run after it."""

from __future__ import annotations

import ast
import contextlib
import time
from typing import Any

import pytest

from bnlint.loading.execution import Script, is_harmless
from bnlint.loading.patience import Patience, Stopped
from bnlint.loading.sharing import preparation
from bnlint.loading.sharing.preparation import timed


def _run(code: str, seconds: float = 0) -> Script:
    script = Script("net.py", ast.parse(code), {"__name__": "net"}, Patience(seconds))
    script.run(lambda *_: False)
    return script


def _compute(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


LOOP = """
if True:
    hold(now() + 0.2, now)
    left = True
    while True:
        pass
"""


def test_a_text_without_failures_is_run_as_ever() -> None:
    code = '"""Its docstring."""\nfrom __future__ import annotations\n"no docstring"\n'
    code += "def f(x: nowhere) -> int:\n    return x\nx: int = f(3)\n"
    script = _run(code)
    names = script.names
    assert (names["__doc__"], names["x"], names["__annotations__"]) == (
        "Its docstring.",
        3,
        {"x": "int"},
    )
    assert names["f"].__code__.co_firstlineno == 4
    assert script.failures == script.left_out == []


def test_what_a_statement_costs_includes_the_tries_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preparation, "COSTS", {})

    def work() -> None:
        _compute(0.05)
        if "ready" not in script.names:
            raise ImportError("not yet")

    def rescue(*_: object) -> bool:
        script.names["ready"] = True
        return True

    tree, around = ast.parse("work()"), lambda _: timed(["import x"])
    script = Script("net.py", tree, {"work": work}, Patience(0), around)
    script.run(rescue)
    assert script.failures == []
    assert preparation.COSTS["import x"] >= 0.1


def test_an_import_that_is_tried_again_costs_what_both_tries_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preparation, "COSTS", {})
    with contextlib.suppress(ImportError), timed(["import x"]):
        _compute(0.05)
        raise ImportError("not yet")
    with timed(["import x"]):
        pass
    assert preparation.COSTS["import x"] >= 0.05


def test_what_follows_a_failure_is_run_if_it_does_no_work() -> None:
    code = """
data = open("/no/such/file")
sizes = [3]
sizes.append(4)
class Net: ...
class Sub(data): ...
try:
    import nowhere_fast
except ImportError:
    fast = False
work(sizes)
for size in sizes:
    done = True
if __name__ == "__main__":
    work(sizes)
"""
    script = _run(code)
    assert [f.statement.lineno for f in script.failures] == [2, 6]
    assert script.failures[1].defined == ("Sub",)
    assert [node.lineno for node in script.left_out] == [11, 12]
    assert script.names["sizes"] == [3, 4]
    assert script.names["fast"] is False
    assert "done" not in script.names


@pytest.mark.parametrize(
    ("code", "harmless"),
    [
        ("import a", True),
        ("parser.add_argument('x')", True),
        ("sys.path.insert(0, '..')", True),
        ("if a:\n    b = 1\nelse:\n    c = 2", True),
        ("if a:\n    b()", False),
        ("with a:\n    b = 1", True),
        ("while a: b = 1", False),
        ("main()", False),
        ("shutil.rmtree(a)", False),
        ("try:\n    import a\nexcept ImportError:\n    main()", False),
        ("if __name__ == '__main__':\n    main()", True),
    ],
)
def test_harmless_statements(code: str, harmless: bool) -> None:
    assert is_harmless(ast.parse(code).body[0]) is harmless


def test_a_loop_that_runs_for_long_is_stopped_and_the_rest_goes_on() -> None:
    code = "n = 0\nwhile True:\n    try:\n        n += 1\n    except Exception:\n        pass\n"
    began = time.perf_counter()
    script = _run(code + "class Net: ...\n", seconds=0.2)
    assert time.perf_counter() - began < 10
    (failure,) = script.failures
    assert isinstance(failure.error, Stopped)
    assert failure.statement.lineno == 2
    assert script.names["n"] > 0
    assert "Net" in script.names


def test_nothing_is_stopped_while_it_enters_or_leaves_a_mode() -> None:
    text = "def hold(until, now):\n    while now() < until:\n        pass\n"
    names: dict[str, Any] = {}
    exec(compile(text, "/site/torch/overrides.py", "exec"), names)
    script = Script("net.py", ast.parse(LOOP), {**names, "now": time.monotonic}, Patience(0.05))
    script.run(lambda *_: False)
    assert script.names["left"] is True
    assert isinstance(script.failures[0].error, Stopped)


def test_a_statement_may_be_rescued() -> None:
    asked: list[Any] = []
    script = Script("net.py", ast.parse("x = y\n"), {}, Patience())

    def rescue(node: ast.stmt, error: BaseException) -> bool:
        asked.append(error)
        script.names["y"] = 3
        return True

    script.run(rescue)
    assert script.names["x"] == 3
    assert len(asked) == 1
    assert script.failures == []
