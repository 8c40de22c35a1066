"""Odd files, names, streams and limits: bnlint says what it could not do, and does the rest."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.hostile

NET = """
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(self.conv(x))
"""
LINT = [sys.executable, "-m", "bnlint"]
INTERNAL = "internal error"


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "timeout": 100} | options
    return subprocess.run([*LINT, *arguments], **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def test_pipes_sockets_and_names_that_are_no_utf_8(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    socket.socket(socket.AF_UNIX).bind("socket.py")
    (folder / os.fsdecode(b"net\xff.py")).write_text(NET)
    formats = ("json", "sarif", "junit", "gitlab", "html")
    done = run(".", "-j1", *(f"--format={name}=out.{name}" for name in formats))
    assert done.returncode == 1, done.stderr
    assert "pipe.py: not checked" in done.stderr
    assert "socket.py: not checked" in done.stderr
    report = json.loads((folder / "out.json").read_text())
    assert [f["rule"] for f in report["findings"]] == ["BN301", "BN301"]
    results = json.loads((folder / "out.sarif").read_text())["runs"][0]["results"]
    places = [r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results]
    assert places == ["net.py", "net%FF.py"]


def test_streams_that_cannot_be_written(folder: Path) -> None:
    quoted = f"{sys.executable} -m bnlint net.py"
    closed = subprocess.run(["sh", "-c", f"{quoted} >&-"], stderr=subprocess.PIPE, text=True)
    assert closed.returncode == 1
    assert INTERNAL not in closed.stderr
    full = subprocess.run(["sh", "-c", f"{quoted} >/dev/full"], stderr=subprocess.PIPE, text=True)
    assert full.returncode == 2
    assert "cannot write to standard output: No space left on device" in full.stderr


def test_names_and_limits_beyond_what_a_system_takes(folder: Path) -> None:
    long = run("x" * 5000 + ".py")
    assert long.returncode == 2
    assert "there is no such file" in long.stderr
    assert INTERNAL not in long.stderr
    done = run("--timeout=1e300", "--max-memory=99999999999999999999G", "--", "net.py")
    assert done.returncode == 1, done.stderr


def test_a_working_directory_that_is_gone(folder: Path) -> None:
    script = f"mkdir gone; cd gone; rmdir ../gone; {sys.executable} -P -m bnlint net.py"
    done = subprocess.run(["sh", "-c", script], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "the working directory was deleted" in done.stderr


def _mind_interrupts() -> None:
    """Take SIGINT even if the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_ended_leaves_nothing(
    folder: Path, sent: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(folder))
    tempfile.tempdir = None
    (folder / "slow.py").write_text(
        f"import time, torch\nopen({str(folder / 'started')!r}, 'w').close()\ntime.sleep(100)\n"
    )
    command = [*LINT, "slow.py", "--no-cache", "--sandbox=off"]
    running = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=_mind_interrupts
    )
    until = time.monotonic() + 60
    while not (folder / "started").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert (folder / "started").exists()
    running.send_signal(sent)
    _, said = running.communicate(timeout=30)
    assert running.returncode == code
    assert "Traceback" not in said
    assert list(folder.glob("bnlint-*")) == []
