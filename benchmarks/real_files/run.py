"""bnlint run on one file, from the root of its repository: report, exit code, time and memory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT = 120.0

_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
"""The graphs of a page, which say more of the operations than the report in JSON."""


@dataclass(slots=True)
class Run:
    """What one run said and cost; ``shapes`` by model, see :func:`_shapes`."""

    file: str
    exit: int | None
    """None when the time was up."""
    seconds: float
    megabytes: float
    """Of the process of the run that held most."""
    report: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    stderr: str = ""


def run_file(bnlint: Path, folder: Path, file: str) -> Run:
    """Run bnlint on a file of the list (``REPOSITORY/path/in/it.py``)."""
    repository, _, inside = file.partition("/")
    with tempfile.TemporaryDirectory() as scratch:
        page, out, err = (Path(scratch) / name for name in ("page.html", "out", "err"))
        formats = ["--format", "json", "--format", f"html={page}"]
        command = [str(bnlint.absolute()), inside, *formats, "--no-cache"]
        started = time.monotonic()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                cwd=folder / repository,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        code, peak = _wait(process.pid, started + TIMEOUT)
        process.returncode = code  # waited for here, so that its memory is known
        run = Run(file, code, time.monotonic() - started, peak / 1024)
        run.stderr = err.read_text(errors="replace")[-2000:]
        text = out.read_text(errors="replace")
        run.report = json.loads(text) if text.startswith("{") else {}
        run.shapes = _shapes(page) if page.exists() else {}
    return run


def _wait(pid: int, deadline: float) -> tuple[int | None, int]:
    """The exit code (None when the time was up) and the peak memory in KiB."""
    while time.monotonic() < deadline:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), used.ru_maxrss
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)
    return None, os.wait4(pid, 0)[2].ru_maxrss


def _shapes(page: Path) -> dict[str, list[dict[str, Any]]]:
    """For each graph, by its model: how many operations have no known shape, and what failed."""
    found = _DATA.search(page.read_text(encoding="utf-8"))
    graphs = json.loads(found[1])["graphs"] if found else []
    shapes: dict[str, list[dict[str, Any]]] = {}
    for graph in graphs:
        nodes = [node for node in graph["nodes"] if node["kind"] != "output"]
        unknown = Counter(n["kind"] for n in nodes if "?" in n.get("out", "?"))
        errors = [node["error"] for node in nodes if "error" in node]
        facts = {"ops": len(nodes), "unknown": dict(unknown), "errors": errors}
        shapes.setdefault(graph["name"], []).append(facts)
    return shapes
