"""Ctrl-C ends a run at once and without a traceback, also while bnlint or torch still loads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.hostile,
    pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal"),
]
INTERRUPTED = 130
AT_AN_IMPORT = """
import os, signal, sys
from bnlint.cli import entry


class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)


sys.meta_path.insert(0, Interrupt())
entry()
"""
SLOW_TORCH = "import time\nopen({mark!r}, 'w').close()\ntime.sleep(100)\n"
NET = "from torch import nn\n\n\nclass Net(nn.Module):\n    pass\n"
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.example")


def mind_interrupts() -> None:
    """Take SIGINT even if the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(*command: str, **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **changes},
        preexec_fn=mind_interrupts,
    )


@pytest.mark.parametrize(
    "name", ["bnlint.domain.errors", "dataclasses", "bnlint.cli.commands", "bnlint.pipeline.run"]
)
def test_while_bnlint_loads(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    run = start("-c", AT_AN_IMPORT.format(name=name), "net.py", "--no-cache")
    said, _ = run.communicate(timeout=60)
    assert (run.returncode, said) == (INTERRUPTED, "bnlint: interrupted\n")


@pytest.mark.parametrize(
    "arguments",
    [["net.py"], ["net.py", "--fix"], ["probe", "net.py::Net", "--input=8x6"], ["compare", "HEAD"]],
    ids=["lint", "fix", "probe", "compare"],
)
def test_while_torch_loads(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    for command in (["init", "-q"], ["add", "net.py"], ["commit", "-qm", "net"]):
        subprocess.run([*GIT, *command], check=True)
    Path("net.py").write_text(f"{NET}\n    size = 3\n")
    mark = tmp_path / "loading"
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/torch.py").write_text(SLOW_TORCH.format(mark=str(mark)))
    run = start("-m", "bnlint", *arguments, "--no-cache", PYTHONPATH=str(tmp_path / "slow"))
    until = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert mark.exists()
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert time.monotonic() - began < 4  # tenths of a second, where nothing else runs
    assert run.returncode == INTERRUPTED
    assert said.endswith("bnlint: interrupted\n")
    assert "Traceback" not in said
