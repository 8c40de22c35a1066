"""A probe that is ended, however, leaves no process and no file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.hostile,
    pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only"),
]
NET = """
import os, subprocess, time, torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x):
        if not x.is_meta:
            left = subprocess.Popen(["sleep", "600"], start_new_session=True)
            with open("pids.new", "w") as stream:
                stream.write(f"{os.getpid()} {left.pid}")
            os.rename("pids.new", "pids")
            time.sleep(600)
        return torch.relu(self.fc(x))
"""
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}


def wait_for(what: object) -> bool:
    until = time.monotonic() + 90
    while not what() and time.monotonic() < until:  # type: ignore[operator]
        time.sleep(0.05)
    return bool(what())  # type: ignore[operator]


def runs(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("sent", CODES)
def test_nothing_is_left(
    sent: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder whose modules have the names of the library's, which nobody imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tempfile.tempdir = None
    Path("net.py").write_text(NET)
    for name in ("json", "random", "copy"):
        Path(f"{name}.py").write_text("raise ImportError('not the library')\n")
    command = [sys.executable, "-P", "-m", "bnlint", "probe", "net.py::Net", "--input=8x6"]
    started = subprocess.Popen(
        [*command, "--no-cache", "--sandbox=off"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert wait_for(Path("pids").exists), started.stderr
    pids = Path("pids").read_text().split()
    assert all(map(runs, pids))
    began = time.monotonic()
    started.send_signal(sent)
    _, said = started.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert started.returncode == CODES[sent]
    assert "Traceback" not in said
    assert wait_for(lambda: not any(map(runs, pids)))
    assert wait_for(lambda: not list(tmp_path.glob("bnlint-*")))
    assert os.path.exists("net.py")
