"""Files spread over executors: threads, processes, Dask; what is lost is tried again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import bnlint
from bnlint.domain.errors import UsageError

NET = """\
from torch import nn


class Net{n}(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, {channels}, 3)
        self.bn = nn.BatchNorm2d({channels})

    def forward(self, x):
        return self.bn(self.conv(x)).relu()
"""
DEADLY = """\
import os, pathlib, signal

mark = pathlib.Path(__file__).with_suffix(".killed")
if not mark.exists():
    mark.touch()
    warm = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text()
    os.kill(int(warm.rpartition(")")[2].split()[1]), signal.SIGKILL)
"""
"""Ends the process that runs the task, the first time it is imported."""


def _write(folder: Path) -> Path:
    for n in range(4):
        (folder / f"net_{n}.py").write_text(NET.format(n=n, channels=8 + n))
    (folder / "broken.py").write_text("import torch\nraise ValueError('no')\n")
    return folder


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return _write(tmp_path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bnlint.Report]:
    """A fleet that no test changes, and the report about it without an executor."""
    folder = _write(tmp_path_factory.mktemp("fleet"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, _check()


def _check(executor: Executor | None = None) -> bnlint.Report:
    return bnlint.check(".", executor=executor, cache=False, select=["BN301"], sandbox="off")


def _same(report: bnlint.Report, other: bnlint.Report) -> bool:
    return report.render("json") == other.render("json")


@pytest.fixture
def alone(kept: tuple[Path, bnlint.Report], monkeypatch: pytest.MonkeyPatch) -> bnlint.Report:
    folder, report = kept
    monkeypatch.chdir(folder)
    assert len(report.findings) == 4
    assert [p.file for p in report.problems] == ["broken.py"]
    return report


class Unlucky(Executor):
    """Runs tasks at once; those with the given numbers end in an error, or are not taken."""

    def __init__(self, *lost: int, error: Callable[[], BaseException], taken: bool = True) -> None:
        self._numbers: Iterator[int] = iter(range(1 << 30))
        self._lost, self._error, self._taken = lost, error, taken

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if next(self._numbers) not in self._lost:
            future.set_result(fn(*args, **kwargs))
        elif self._taken:
            future.set_exception(self._error())
        else:
            raise self._error()
        return future


def test_threads_and_processes_give_the_same_report(alone: bnlint.Report) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert _same(_check(executor), alone)
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        assert _same(_check(executor), alone)


def test_jobs_do_not_change_the_report(alone: bnlint.Report) -> None:
    assert _same(bnlint.check(".", cache=False, select=["BN301"], jobs=3, sandbox="off"), alone)


@pytest.mark.parametrize(("lost", "taken"), [((1, 3), True), ((0, 1, 2, 3, 4), False)])
def test_lost_tasks_are_tried_again(
    alone: bnlint.Report, lost: tuple[int, ...], taken: bool
) -> None:
    unlucky = Unlucky(*lost, error=lambda: BrokenExecutor("gone"), taken=taken)
    assert _same(_check(unlucky), alone)


def test_a_task_that_is_cancelled_is_tried_again(alone: bnlint.Report) -> None:
    from concurrent.futures import CancelledError

    assert _same(_check(Unlucky(2, error=CancelledError)), alone)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_files_of_a_killed_process_are_tried_again(fleet: Path) -> None:
    (fleet / "net_2.py").write_text(DEADLY + NET.format(n=2, channels=10))
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        report = _check(executor)
    assert (fleet / "net_2.killed").exists()
    assert _same(report, _check())


def test_a_file_that_kills_every_worker_is_a_problem_and_the_rest_is_checked(fleet: Path) -> None:
    (fleet / "net_2.py").write_text("import os, torch\nos.kill(os.getppid(), 9)\n")
    with ThreadPoolExecutor(2) as executor:
        report = _check(executor)
    assert [(p.file, p.kind.value) for p in report.problems] == [
        ("broken.py", "import-failed"),
        ("net_2.py", "crash"),
    ]
    assert len(report.findings) == 3


def test_mistakes_are_told_and_not_tried_again(fleet: Path) -> None:
    with pytest.raises(UsageError, match="no torch here"):
        _check(Unlucky(1, error=lambda: UsageError("no torch here")))
    with pytest.raises(UsageError, match="same bnlint"):
        _check(Unlucky(1, error=lambda: ModuleNotFoundError("No module named 'bnlint'")))
    with pytest.raises(UsageError, match="takes no tasks"):
        _check("no executor")  # type: ignore[arg-type]
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(UsageError, match="takes no tasks"):
        _check(executor)


@pytest.mark.dask
def test_a_dask_cluster_gives_the_same_report_and_outlives_a_worker(fleet: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert _same(_check(client.get_executor()), _check())
        if sys.platform.startswith("linux"):
            (fleet / "net_2.py").write_text(DEADLY + NET.format(n=2, channels=10))
            report = _check(client.get_executor())
            assert (fleet / "net_2.killed").exists()
            assert _same(report, _check())


def test_fixes_are_looked_for_over_an_executor_too(fleet: Path, alone: bnlint.Report) -> None:
    class Counting(ThreadPoolExecutor):
        sent = 0

        def submit(self, *arguments: Any, **keywords: Any) -> Any:
            self.sent += 1
            return super().submit(*arguments, **keywords)

    with Counting(2) as executor:
        report = bnlint.check(
            ".", executor=executor, cache=False, select=["BN301"], diff=True, unsafe_fixes=True
        )
    assert executor.sent >= len(alone.models)
    assert [f.fingerprint for f in report.findings] == [f.fingerprint for f in alone.findings]
    assert any(f.fix for f in report.findings)
