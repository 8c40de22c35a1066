"""The package keeps to its own rules: style, types, sizes, names, and who may import whom."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import islice, takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def _needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed (extra dev)")


@_needs("ruff")
@pytest.mark.parametrize("step", [("check",), ("format", "--check")], ids=lambda step: step[0])
def test_style(step: tuple[str, ...]) -> None:
    _run(sys.executable, "-m", "ruff", *step, "bnlint")


@_needs("mypy")
def test_types() -> None:
    _run(sys.executable, "-m", "mypy")


@_needs("importlinter")
def test_imports() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    _run(str(command) if command.exists() else shutil.which("lint-imports") or "lint-imports")


PACKAGE = ROOT / "bnlint"

MOST_FILES = 16
"""Python files side by side in a folder, ``__init__`` apart."""

MOST_LINES = 40
"""Of a function, from ``def`` to its end, its docstring apart."""

SHARED_STEMS = frozenset({"__init__", "__main__"})
"""Names of files that may occur more than once."""

PUBLIC_FACES = frozenset({"Report", "ModelGraph", "ModelComparison"})
"""Classes of the public API that add methods to the plain data of the same name."""

WITHOUT_TORCH = """
import importlib, pathlib, sys
for path in sorted(pathlib.Path("bnlint").rglob("*.py")):
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    rooms = ("loading", "models", "tracing", "probing", "fixes.live", "comparing.running")
    if not name.startswith(tuple(f"bnlint.{room}" for room in rooms)):
        importlib.import_module(name)
        assert "torch" not in sys.modules, name
"""
"""What a run on unchanged files, ``--help`` and ``explain`` may import."""


def test_torch_is_not_loaded_before_it_is_needed() -> None:
    """The contracts allow ``layers`` and the worker to import torch, but only inside functions."""
    _run(sys.executable, "-c", WITHOUT_TORCH)


def _table(title: str) -> list[list[str]]:
    """The rows of a table of CONTRIBUTING, without its head."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition(title)[2]
    lines = text.partition("|---")[2].splitlines()[1:]
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]


def test_contributing_tells_every_room() -> None:
    rooms = {p.stem for p in PACKAGE.iterdir() if (p / "__init__.py").exists() or p.suffix == ".py"}
    told = [row[0] for row in _table("## The flow")]
    assert sorted(told) == sorted(room for room in rooms if not room.startswith("__"))


def test_contributing_names_a_test_for_every_recipe() -> None:
    named = {row[2] for row in _table("## Where to add a thing")}
    assert named == {path.name for path in (ROOT / "tests" / "recipes").glob("test_*.py")}


def _sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in _sources()]


def _repeated(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name, count in Counter(names).items() if count > 1)


@_needs("grimp")
def test_no_circle_of_modules() -> None:
    """Not of single modules either, whatever the order of rooms allows."""
    import grimp
    import networkx

    graph = grimp.build_graph("bnlint", exclude_type_checking_imports=True, cache_dir=None)
    edges = ((a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a))
    circles = networkx.simple_cycles(networkx.DiGraph(edges))
    assert [" -> ".join(circle) for circle in islice(circles, 5)] == []


def test_folders_are_small() -> None:
    sizes = Counter(
        path.parent.relative_to(ROOT).as_posix() for path in _sources() if path.stem != "__init__"
    )
    assert {folder: count for folder, count in sizes.items() if count > MOST_FILES} == {}


def test_no_two_files_share_a_name() -> None:
    repeated = _repeated(path.stem for path in _sources())
    assert repeated - SHARED_STEMS == frozenset()


def test_no_two_classes_share_a_name() -> None:
    names = [
        node.name
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert _repeated(names) - PUBLIC_FACES == frozenset()


def test_functions_are_short() -> None:
    long = {
        f"{path.relative_to(ROOT).as_posix()}:{node.name}"
        for path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > MOST_LINES
    }
    assert long == set()


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return lines
    docstring = node.body[0]
    return lines - ((docstring.end_lineno or 0) - docstring.lineno + 1)
