"""The tests marked as hostile, counted by class: ``python -m benchmarks.hostile``."""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
DOCUMENT = Path(__file__).with_name("HOSTILE.md")
HEAD = """# Hostile situations

Code and files that do harm, by chance or on purpose, and what must hold all the same. Each
situation is a test with the mark `hostile` (`pytest -m hostile`). This page is written by
`python -m benchmarks.hostile`, which runs them.

| what must hold | tests | tried | held | skipped |
|---|---|---|---|---|
"""


def main() -> None:
    """Run the tests, and write what held."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "hostile", f"--junitxml={result}"]
        done = subprocess.run(command, cwd=ROOT, check=False)
        DOCUMENT.write_text(document(ElementTree.parse(result)), encoding="utf-8")
    sys.exit(done.returncode)


def document(result: ElementTree.ElementTree[ElementTree.Element]) -> str:
    """The page about a result of pytest in the JUnit format."""
    tried: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for case in result.iter("testcase"):
        module = case.get("classname", "")
        if case.find("skipped") is not None:
            skipped[module] += 1
            continue
        tried[module] += 1
        failed[module] += case.find("failure") is not None or case.find("error") is not None
    rows = [_row(m, tried[m], failed[m], skipped[m]) for m in sorted({*tried, *skipped})]
    total = f"| all | | {tried.total()} | {tried.total() - failed.total()} | {skipped.total()} |\n"
    return HEAD + "".join(rows) + total


def _row(module: str, tried: int, failed: int, skipped: int) -> str:
    path = module.replace(".", "/") + ".py"
    says = ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) or ""
    first = says.split("\n\n")[0].replace("\n", " ").rstrip(".")
    return f"| {first} | `{path}` | {tried} | {tried - failed} | {skipped} |\n"


if __name__ == "__main__":
    main()
