"""``--watch`` lints again when a file, a module that it imports, or the config file changes."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnlint.cli import main

NET = """\
from torch import nn
from parts import BIAS

net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=BIAS), nn.BatchNorm2d(8), nn.ReLU())
"""
PATIENCE = 60


def _take_interrupts() -> None:
    """Take SIGINT even if the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Watcher:
    """The command in a process of its own, whose output is read run by run."""

    def __init__(self, folder: Path) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bnlint", "net.py", "--watch"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_take_interrupts,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def run(self) -> str:
        """What is printed until the watch begins again; nothing may be left from a run before."""
        assert self._lines.empty()
        text = ""
        while "Ctrl-C ends" not in text:
            text += self._lines.get(timeout=PATIENCE)
        return text


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "parts.py").write_text("BIAS = True\n")
    started = Watcher(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def test_what_a_report_depends_on_is_watched(watcher: Watcher, tmp_path: Path) -> None:
    assert "net.py:4:21: BN301" in watcher.run()
    time.sleep(1)  # what the run itself wrote must not start another one
    (tmp_path / "parts.py").write_text("BIAS = False\n")
    assert "no findings" in watcher.run()
    (tmp_path / "bnlint.toml").write_text("selct = []\n")
    assert "unknown setting 'selct'" in watcher.run()
    (tmp_path / "bnlint.toml").unlink()
    assert "no findings" in watcher.run()
    draft = tmp_path / "draft"  # as editors save
    draft.write_text(NET.replace("bias=BIAS", ""))
    os.replace(draft, tmp_path / "net.py")
    assert "net.py:4:21: BN301" in watcher.run()
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("arguments", [("-",), ("net.py", "--fix"), ("net.py", "--graph")])
def test_what_cannot_be_repeated_is_refused(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--watch"]) == 2
    assert "--watch" in capsys.readouterr().err
