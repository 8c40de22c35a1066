"""What a sandboxed file can do: read, and write temporary files."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bnlint.domain.errors import UsageError
from bnlint.domain.finding import ProblemKind
from bnlint.domain.request import TraceRequest
from bnlint.isolation import sandbox
from bnlint.isolation.pool import Pool
from tests.unit.isolation.conftest import LINEAR

pytestmark = pytest.mark.hostile

needed = pytest.mark.skipif(bool(sandbox.lacking()), reason=sandbox.lacking() or "there is one")

ATTEMPTS = {
    "write beside the file": "open(here + '/new.txt', 'w')",
    "overwrite a file": "open(here + '/mine.txt', 'w')",
    "append to a file": "open(here + '/mine.txt', 'a').write('x')",
    "truncate a file": "os.truncate(here + '/mine.txt', 0)",
    "delete a file": "os.remove(here + '/mine.txt')",
    "rename a file": "os.rename(here + '/mine.txt', here + '/other.txt')",
    "change the mode of a file": "os.chmod(here + '/mine.txt', 0o777)",
    "change the mode of an open file": (
        "os.chmod(os.open(here + '/mine.txt', os.O_RDONLY), 0o777)"),
    "change the time of a file": "os.utime(here + '/mine.txt', (1, 1))",
    "change limits of its parent": (
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3))"),
    "make a folder": "os.mkdir(here + '/folder')",
    "make a link": "os.symlink('/etc', here + '/link')",
    "write through a link of its own": (
        "(os.symlink(here + '/mine.txt', 'link'), open('link', 'w'))"),
    "move a file of its own there": "(open('own', 'w'), os.rename('own', here + '/own'))",
    "run a program that writes": (
        "subprocess.run(['sh', '-c', f'echo x > {here}/new.txt'], check=True)"),
    "signal its parent": "os.kill(os.getppid(), 0)",
    "listen": "socket.socket().bind(('127.0.0.1', 0))",
}  # fmt: skip
ALLOWED = {
    "read": "open(here + '/mine.txt').read()",
    "write a temporary file": "tempfile.NamedTemporaryFile().write(b'x')",
    "write in its working folder": "open('own', 'w').write('x')",
    "change the mode of a file of its own": "(open('own', 'w'), os.chmod('own', 0o600))",
    "write to nowhere": "open(os.devnull, 'w').write('x')",
    "run a program": "subprocess.run(['true'], check=True)",
    "start a process": "multiprocessing.Process(target=print).start()",
}
IMPORTS = (
    "import multiprocessing, os, resource, socket, subprocess, tempfile\n"
    "here = os.path.dirname(__file__)\n"
)


@pytest.fixture(scope="module")
def confined() -> Iterator[Pool]:
    with Pool(timeout=20, sandbox="on") as pool:
        yield pool


def stamped(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mode, found.st_mtime_ns


@needed
@pytest.mark.parametrize("name", ATTEMPTS)
def test_what_it_cannot_do(
    name: str, confined: Pool, write: Callable[[str, str], str], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    before, stamp = sorted(os.listdir(tmp_path)), stamped(tmp_path / "mine.txt")
    path = write(f"{IMPORTS}{ATTEMPTS[name]}\n{LINEAR}", "net.py")
    (outcome,) = confined.trace([TraceRequest(path)])
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert stamped(tmp_path / "mine.txt") == stamp
    assert sorted(os.listdir(tmp_path)) == sorted([*before, "net.py"])
    assert outcome.problems, "it was allowed to"


@needed
@pytest.mark.parametrize("name", ALLOWED)
def test_what_it_can_do(
    name: str, confined: Pool, write: Callable[[str, str], str], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    path = write(f"{IMPORTS}{ALLOWED[name]}\n{LINEAR}", "net.py")
    (outcome,) = confined.trace([TraceRequest(path)])
    assert [g.ref.name for g in outcome.graphs] == ["Net"], outcome.problems


@needed
def test_the_message_says_how_to_allow_it(confined: Pool, write: Callable[[str, str], str]) -> None:
    path = write("open('/new.txt', 'w')\n", "net.py")
    (outcome,) = confined.trace([TraceRequest(path)])
    (problem,) = (p for p in outcome.problems if p.kind is ProblemKind.IMPORT_FAILED)
    assert "--sandbox off" in problem.hint


LOGGED = """
class Logged(nn.Module):
    def __init__(self):
        super().__init__()
        os.makedirs(here + '/logs/run')
        with open(here + '/logs/run/a.txt', 'w') as file:
            file.write('x')
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        open(here + '/seen.txt', 'a').write('x')
        return self.fc(x)
"""


@needed
def test_a_model_that_may_not_write_is_checked(
    confined: Pool, write: Callable[[str, str], str], tmp_path: Path
) -> None:
    path = write(f"{IMPORTS}from torch import nn\n{LOGGED}", "net.py")
    (outcome,) = confined.trace([TraceRequest(path)])
    assert [g.ref.name for g in outcome.graphs] == ["Logged"], outcome.problems
    assert outcome.graphs[0].trace.complete
    assert os.listdir(tmp_path) == ["net.py"]


def test_a_sandbox_that_there_cannot_be_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "lacking", lambda: "the kernel has none")
    with pytest.raises(UsageError, match="the kernel has none"):
        Pool(sandbox="on")


def test_without_one_auto_does_nothing(tmp_path: Path) -> None:
    queue = multiprocessing.get_context("spawn").Queue()
    child = multiprocessing.get_context("spawn").Process(target=_auto, args=(str(tmp_path), queue))
    child.start()
    assert queue.get(timeout=60) is False
    child.join()


def _auto(folder: str, queue: multiprocessing.Queue[bool]) -> None:
    sandbox.lacking = lambda: "the kernel has none"
    queue.put(sandbox.enter("auto", folder))
