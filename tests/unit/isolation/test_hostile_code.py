"""Whatever a file does, it becomes a graph or a Problem, and the next file is checked as well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.request import TraceOutcome, TraceRequest
from bnlint.isolation.pool import Pool
from tests.unit.isolation.conftest import LINEAR, Check

pytestmark = pytest.mark.hostile


def only(outcome: TraceOutcome) -> Problem:
    (problem,) = outcome.problems
    assert problem.blocking
    assert not outcome.graphs
    return problem


@pytest.fixture(scope="module")
def hasty() -> Iterator[Pool]:
    with Pool(jobs=1, timeout=2, sandbox="off") as pool:
        yield pool


ENDS = {
    "sys.exit at import": ("import sys\nx = 1\nsys.exit(3)\n", ProblemKind.EXIT, 3),
    "os._exit with success": ("import os\ndef f():\n    os._exit(0)\nf()\n", ProblemKind.EXIT, 3),
    "a segmentation fault": ("import ctypes\nctypes.string_at(0)\n", ProblemKind.CRASH, 2),
    "an abort": ("import os\nos.abort()\n", ProblemKind.CRASH, 2),
    "an error": ("\ndef f():\n    return {}['x']\nf()\n", ProblemKind.IMPORT_FAILED, 3),
    "a syntax error": ("import torch\nclass Net(:\n", ProblemKind.SYNTAX_ERROR, 2),
    "endless recursion": ("def f():\n    f()\nf()\n", ProblemKind.IMPORT_FAILED, 2),
    "a keyboard interrupt": ("raise KeyboardInterrupt\n", ProblemKind.EXIT, 1),
    "a usage message": (
        "import sys\nif len(sys.argv) < 2:\n    sys.exit('usage: net.py DATA')\n",
        ProblemKind.EXIT,
        3,
    ),
    "python memory": (
        "a = []\nwhile True:\n    a.append('x' * 50_000_000)\n",
        ProblemKind.MEMORY,
        3,
    ),
    "torch memory": ("import torch\nx = torch.empty(1 << 40)\n", ProblemKind.MEMORY, 2),
    "a download": (
        "import urllib.request\nurllib.request.urlopen('http://example.org/weights')\n",
        ProblemKind.DOWNLOAD,
        2,
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_file_that_does_not_survive_its_import(name: str, check: Check) -> None:
    code, kind, line = ENDS[name]
    problem = only(check(code))
    assert (problem.kind, problem.line) == (kind, line), problem
    assert problem.message
    assert "Traceback" not in problem.message


HANGS = {
    "busy": ("while True:\n    x = 1\n", {1, 2}),
    "asleep": ("import time\n\ntime.sleep(1000)\n", {3}),
    "deaf": (
        "import signal\nsignal.pthread_sigmask(0, range(1, 32))\nwhile True:\n    x = 1\n",
        {3, 4},
    ),
}


@pytest.mark.parametrize("name", HANGS)
def test_a_hang_is_ended_and_its_line_is_told(name: str, hasty: Pool, check: Check) -> None:
    code, lines = HANGS[name]
    problem = only(check(code, pool=hasty))
    assert problem.kind is ProblemKind.TIMEOUT
    assert problem.line in lines
    assert "2 s" in problem.message


MISCHIEF = {
    "closes every descriptor": "import os\nos.closerange(0, 4096)\n",
    "writes to every descriptor": (
        "import os\n"
        "for fd in range(1, 64):\n"
        "    try:\n        os.write(fd, b'garbage\\n[1, 2]\\n')\n"
        "    except OSError:\n        pass\n"
    ),
    "prints a lot": "print('x' * 2_000_000)\n",
    "leaves threads": (
        "import threading, time\n"
        "for _ in range(3):\n    threading.Thread(target=time.sleep, args=(1000,)).start()\n"
    ),
    "leaves an exit hook": "import atexit, os\natexit.register(lambda: os._exit(9))\n",
    "leaves a child process": "import subprocess\nsubprocess.Popen(['sleep', '1000'])\n",
    "forks": "import os\nos.fork()\n",
    "replaces built-ins": "import builtins, os\nbuiltins.open = os.open = os.write = None\n",
    "moves and reads": "import os, sys\nos.chdir('/')\nassert sys.stdin.read() == ''\n",
    "removes its folder": "import os, shutil\nshutil.rmtree(os.path.dirname(os.getcwd()))\n",
}


BREAKS_ITS_ANSWER = {
    "lines that are no records": "open('../answer', 'w').write('[1, 2]\\nnonsense\\n')\n",
    "a record of another shape": "open('../answer', 'w').write('[\"ModelGraph\", [1]]\\n')\n",
    "a record that is nested deeply": "open('../answer', 'w').write('[' * 99999 + '\\n')\n",
    "a pipe": "import os\nos.mkfifo('../answer')\n",
    "a folder": "import os\nos.mkdir('../answer')\nos.mkdir('../faults.d')\n",
    "a link": "import os\nos.symlink('/etc/hostname', '../answer')\n",
    "a link to a folder": (
        "import os, shutil\nhere = os.path.dirname(os.getcwd())\nos.chdir('/')\n"
        "shutil.rmtree(here)\nos.symlink(os.path.dirname(__file__) + '/victim', here)\n"
    ),
}


@pytest.mark.parametrize("name", BREAKS_ITS_ANSWER)
def test_an_answer_that_was_tampered_with_costs_one_file(
    name: str, hasty: Pool, write: Callable[[str, str], str], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    for path in (victim / "mine.txt", victim / "scratch" / "mine.txt", victim / "0" / "mine.txt"):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("keep me")
    paths = [write(BREAKS_ITS_ANSWER[name] + LINEAR, "bad.py"), write(LINEAR, "good.py")]
    bad, good = hasty.trace(map(TraceRequest, paths))
    assert [g.ref.name for g in good.graphs] == ["Net"]
    assert not good.problems
    if name != "a link to a folder":  # there its answer is whole
        assert any(p.blocking for p in bad.problems)
    for path in victim.rglob("mine.txt"):
        assert path.read_text() == "keep me"
    assert len(list(victim.rglob("mine.txt"))) == 3


def test_nothing_is_written_where_the_folder_of_all_jobs_was_led(
    write: Callable[[str, str], str], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    leads = (
        "import os\nhere = os.path.dirname(os.path.dirname(os.getcwd()))\n"
        f"os.chdir('/')\nos.rename(here, {str(tmp_path / 'moved')!r})\n"
        f"os.symlink({str(victim)!r}, here)\n"
    )
    paths = [write(leads + LINEAR, "bad.py"), *(write(LINEAR, f"{n}.py") for n in range(3))]
    with Pool(jobs=1, timeout=20, sandbox="off") as pool:
        _, *good = pool.trace(map(TraceRequest, paths))
    assert [g.ref.name for outcome in good for g in outcome.graphs] == ["Net"] * 3
    assert [path.name for path in victim.iterdir()] in ([], ["0"])  # its own answer


def test_tools_that_are_replaced_are_no_error_of_bnlint(check: Check) -> None:
    (problem,) = check(f"import time\n{LINEAR}\ntime.perf_counter = lambda: 1 / 0\n").problems
    assert problem.blocking
    assert "internal error" not in problem.message


def test_a_worker_that_was_stopped_is_replaced(
    write: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bnlint.isolation.processes._GRACE", 1.0)
    stops = "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\n"
    paths = [write(stops + LINEAR, "bad.py"), write(LINEAR, "good.py")]
    with Pool(jobs=1, timeout=4, sandbox="off") as pool:
        bad, good = pool.trace(map(TraceRequest, paths))
    assert [g.ref.name for g in good.graphs] == ["Net"]
    assert only(bad).kind is ProblemKind.CRASH


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sets limits of another process")
def test_a_worker_whose_limits_were_changed_is_replaced(
    hasty: Pool, write: Callable[[str, str], str]
) -> None:
    cuts = "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3))\n"
    paths = [write(cuts + LINEAR, "bad.py"), *(write(LINEAR, f"{n}.py") for n in range(3))]
    _, *good = hasty.trace(map(TraceRequest, paths))
    assert [g.ref.name for outcome in good for g in outcome.graphs] == ["Net"] * 3


@pytest.mark.parametrize("name", MISCHIEF)
def test_a_model_survives_mischief_around_it(name: str, check: Check) -> None:
    outcome = check(MISCHIEF[name] + LINEAR)
    assert [g.ref.name for g in outcome.graphs] == ["Net"]
    assert not outcome.problems
    assert outcome.torch


def test_models_before_a_crash_are_kept(check: Check) -> None:
    crash = "    def __init__(self):\n        import ctypes\n        ctypes.string_at(0)\n"
    outcome = check(LINEAR + "class Zap(Net):\n" + crash)
    assert [g.ref.name for g in outcome.graphs] == ["Net"]
    (problem,) = outcome.problems
    assert problem.kind is ProblemKind.CRASH
    assert not problem.blocking


def test_what_a_crashing_file_printed_is_told(check: Check) -> None:
    problem = only(check("import os\nprint('last words', flush=True)\nos.abort()\n"))
    assert "last words" in problem.hint


def test_a_file_that_kills_the_worker_is_blamed_and_no_other(
    write: Callable[[str, str], str], tmp_path: Path
) -> None:
    killer = "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(30)\n"
    paths = [write(LINEAR, f"net{i}.py") for i in range(4)]
    paths.insert(2, write(killer, "killer.py"))
    with Pool(jobs=2, timeout=20, sandbox="off") as pool:
        outcomes = list(pool.trace(map(TraceRequest, paths)))
    assert [o.path for o in outcomes] == paths
    assert [len(o.graphs) for o in outcomes] == [1, 1, 0, 1, 1]
    assert only(outcomes[2]).kind is ProblemKind.CRASH


def test_no_limits_are_no_limits(check: Check) -> None:
    code = "import time\nimport torch\ntime.sleep(0.1)\nx = torch.zeros(1 << 20)\n" + LINEAR
    with Pool(jobs=1, timeout=0, max_memory=0, sandbox="off") as pool:
        outcome = check(code, pool=pool)
    assert [graph.ref.name for graph in outcome.graphs] == ["Net"]
    assert outcome.problems == ()


def test_what_left_for_a_session_of_its_own_is_ended(
    pool: Pool, write: Callable[[str, str], str], tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    starts = (
        "import subprocess\n"
        "p = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        f"open({str(mark)!r}, 'w').write(str(p.pid))\n"
    )
    paths = [write(starts + LINEAR, "starts.py"), write(LINEAR, "next.py")]
    first, second = pool.trace(map(TraceRequest, paths))
    assert first.graphs
    assert second.graphs
    assert not Path(f"/proc/{mark.read_text()}").exists()
