"""Which model of a file is its main one, and how a run on the file is judged and counted."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

chosen = pytest.importorskip("benchmarks.real_files.main_model", exc_type=ImportError)
document = pytest.importorskip("benchmarks.real_files.document", exc_type=ImportError)
judged = pytest.importorskip("benchmarks.real_files.funnel", exc_type=ImportError)
read = pytest.importorskip("benchmarks.real_files.source", exc_type=ImportError)
running = pytest.importorskip("benchmarks.real_files.run", exc_type=ImportError)
outline = pytest.importorskip("benchmarks.real_files.outline", exc_type=ImportError).outline
normalize = pytest.importorskip("benchmarks.real_files.reasons", exc_type=ImportError).normalize


def module(name: str, body: str = "return x", base: str = "nn.Module") -> str:
    return f"class {name}({base}):\n    def forward(self, x):\n        {body}\n"


def main_of(*parts: str) -> str | None:
    return chosen.main_model(outline("\n".join(map(textwrap.dedent, parts))))


NET = module("Net", "return Block()(x)")


def test_the_main_model_is_the_one_that_no_other_uses() -> None:
    assert main_of(module("Block"), NET) == "Net"
    assert main_of(NET, module("Block")) == "Net"


def test_of_several_it_is_the_one_that_uses_most_and_then_the_longest() -> None:
    alone = module("Alone", "x = x\n        x = x\n        x = x\n        return x")
    assert main_of(module("Block"), NET, alone) == "Net"
    assert main_of(module("Short"), alone) == "Alone"


def test_a_class_used_through_a_function_is_a_part() -> None:
    helper = "def stage():\n    return Block()\n"
    assert main_of(helper, module("Block", "x = x\n        return x"), module("Net", "stage()"))
    assert main_of(module("Block"), helper, module("Net", "return stage()(x)")) == "Net"


def test_what_a_factory_returns_may_be_the_main_model_though_another_mentions_it() -> None:
    factory = "def net():\n    return Net()\n"
    wrapper = module("Wrapper", "return isinstance(x, Net)")
    assert main_of(NET, module("Block"), wrapper) == "Wrapper"
    long = module("Net", "x = Block()(x)\n        x = x\n        return x")
    assert main_of(long, module("Block"), factory, module("Other", "return Block()(x)")) == "Net"


@pytest.mark.parametrize(
    "other",
    [
        module("PerceptualLoss", "x = x\n        x = x\n        return x"),
        module("Base", '"""Abstract."""\n        raise NotImplementedError'),
        "class Photos(Dataset):\n    def __getitem__(self, i):\n        return 1\n    x = 1\n",
        module("Sign", base="autograd.Function"),
    ],
)
def test_losses_data_and_abstract_classes_are_no_models(other: str) -> None:
    assert main_of(other, module("Net")) == "Net"
    assert main_of(other) is None


def test_a_forward_may_come_from_a_base_in_the_file() -> None:
    small = "class Small(Net):\n    def __init__(self):\n        super().__init__(1)\n"
    assert main_of(module("Net"), small) == "Small"
    assert main_of("class Block(nn.Sequential):\n    pass\n") == "Block"


def test_a_run_may_name_the_main_model_by_its_factory_or_an_instance() -> None:
    text = f"{NET}\ndef make():\n    return Net()\nmodel = make()\nother = 3\n"
    names = chosen.names_for(outline(text), "Net")
    assert names == {"Net", "make", "model"}


def test_a_notebook_is_its_code_cells_without_magics(tmp_path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["class Text(nn.Module): ..."]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "if True:\n", "    !ls\n"]},
        {"cell_type": "code", "source": ["%%bash\n", "echo no python"]},
        {"cell_type": "code", "source": [module("Net")]},
    ]
    path = tmp_path / "net.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert outline(read.read_source(path)).models == ["Net"]


def model(name: str = "Net", complete: bool = True, source: str = "inferred") -> dict[str, Any]:
    opaque = [] if complete else [{"path": "", "reason": "it branches on 3 values of `x`"}]
    return {
        "name": name,
        "arguments": f"{name}(3)",
        "complete": complete,
        "opaque": opaque,
        "inputs": {"source": source, "shapes": []},
    }


def problem(kind: str, message: str, model: str = "", blocking: bool = True) -> dict[str, Any]:
    return {"kind": kind, "message": message, "model": model, "blocking": blocking}


def shapes(unknown: dict[str, int] | None = None, errors: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"Net": [{"ops": 3, "unknown": unknown or {}, "errors": list(errors)}]}


def run(models=(), problems=(), shapes=None, exit=0, file="a+b/net.py"):
    report = {"models": list(models), "problems": list(problems), "findings": []}
    return running.Run(file, exit, 1.0, 100.0, report, shapes or {})


TIMED_OUT = running.Run("a+b/net.py", None, 120.0, 100.0)

RUNS = {
    "timeout: not finished in N s": (0, TIMED_OUT),
    "no report: ValueError: bad": (
        0,
        running.Run("a+b/net.py", 2, 1, 1, stderr="x\nValueError: bad"),
    ),
    "import-failed: No module named …": (
        0,
        run(problems=[problem("import-failed", "No module named 'bits'")]),
    ),
    "not-built: … needs a value for …": (
        1,
        run(
            [model("Block")],
            [
                problem("opaque-part", "part of Block", "Block"),
                problem("not-built", "Net needs a value for `depth`", "Net", blocking=False),
            ],
        ),
    ),
    "part: building … failed": (
        1,
        run(
            [model("Block")],
            [
                problem("weights", "built with random weights", "Net", blocking=False),
                problem("part", "building Net(depth=3) failed", "Net", blocking=False),
            ],
        ),
    ),
    "untraceable: it cannot run": (
        2,
        run(problems=[problem("untraceable", "it cannot run", "Net")]),
    ),
    "nothing said": (1, run([model("Block")])),
    "not whole: it branches on N values of …": (2, run([model(complete=False)])),
    "an operation fails: mat1 and mat2 (N and N)": (
        3,
        run([model()], shapes=shapes({"conv2d": 1}, ("mat1 and mat2 (2x3 and 4x5)",))),
    ),
    "no input known": (3, run([model(source="none")], shapes=shapes({"input": 3}))),
    "unknown shapes: first after einsum": (3, run([model()], shapes=shapes({"einsum": 1}))),
    "": (4, run([model(complete=False), model()], shapes=shapes())),
}


@pytest.mark.parametrize("reason", RUNS)
def test_a_run_is_judged_by_the_main_model(reason: str) -> None:
    reached, given = RUNS[reason]
    found = judged.outcome(given, f"{NET}\n{module('Block')}")
    assert (found.reached, found.reason) == (reached, reason)


def test_a_file_without_a_model_is_not_judged() -> None:
    assert judged.outcome(run(), "x = 1") is None
    assert judged.outcome(run(), "print 'Python 2'") is None


def test_the_funnel_counts_who_reached_each_stage() -> None:
    outcomes = [judged.Outcome("f", "Net", reached) for reached in (0, 1, 2, 3, 4, 4)]
    assert judged.funnel(outcomes) == [5, 4, 3, 2]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "building Net(a=(1, 2)) (a made up) failed: KeyError: 'b'",
            "building … failed: KeyError: …",
        ),
        ("wants https://x.org/a.pth of 12 MB", "wants URL of N MB"),
        ("no file data/list.txt\nsecond line", "no file PATH"),
        ("models.Net.stem has no attribute my_size", "… has no attribute …"),
    ],
)
def test_a_reason_holds_nothing_of_the_file(message: str, reason: str) -> None:
    assert normalize(message, frozenset({"Net"})) == reason


def test_the_document_holds_counts_and_reasons(tmp_path) -> None:
    runs = [run([model()], shapes=shapes()), *(given for _, given in RUNS.values())]
    outcomes = [judged.outcome(one, f"{NET}\n{module('Block')}") for one in runs]
    path = tmp_path / "document.md"
    document.write_document(path, runs, [*outcomes[:-1], None])
    text = path.read_text()
    assert "| 12 | 9 (75 %) | 6 (50 %) | 4 (33 %) | 1 (8 %) |" in text
    assert "- 1x not-built: … needs a value for …" in text
    assert "Exit codes: 0 11x, 2 1x, none in time 1x." in text
    assert "net.py" not in text
    assert "a/b" in text
