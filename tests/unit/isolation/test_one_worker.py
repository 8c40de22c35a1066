"""A probe after a static run: forked from the worker that traced, as if it were started afresh."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from bnlint.domain.request import TraceRequest
from bnlint.isolation.endings import ChildLost, answer
from bnlint.isolation.jobs import Limits
from bnlint.isolation.one_worker import OneWorker
from bnlint.probing.given.probe_options import ProbeOptions, ProbeRequest
from tests.unit.isolation.conftest import LINEAR

Write = Callable[[str, str], str]

SAYS = """
import os
print(os.environ.get("CUDA_VISIBLE_DEVICES"), torch.get_num_threads(), torch.jit._state._enabled
      .enabled, os.getcwd(), sep="|")
"""
WORKER = "\nimport os\nwith open({path!r}, 'a') as file:\n    print(os.getppid(), file=file)\n"


@pytest.fixture
def worker() -> Iterator[OneWorker]:
    with OneWorker(Limits(timeout=20, sandbox="off")) as worker:
        yield worker


def _probe(path: str) -> ProbeRequest:
    return ProbeRequest(path, "", "", ProbeOptions(samples=8, inputs=("2x3",)))


def test_a_probe_is_forked_from_the_worker_that_traced(write: Write, worker: OneWorker) -> None:
    parents = write("", "parents.txt")
    path = write(LINEAR + WORKER.format(path=parents), "net.py")
    assert [outcome.problems for outcome in worker.trace([TraceRequest(path)])] == [()]
    with worker.job(_probe(path)) as ended:
        assert answer(_probe(path), ended).result.samples == 8
        assert os.path.isdir(ended.folder)
    assert not os.path.exists(ended.folder)
    with open(parents) as file:
        assert len(set(file)) == 1


def test_it_has_the_environment_and_the_streams_of_the_user(
    write: Write,
    worker: OneWorker,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    import torch

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    path = write(LINEAR + SAYS, "net.py")
    list(worker.trace([TraceRequest(path)]))
    with worker.job(_probe(path)) as ended:
        assert answer(_probe(path), ended).result is not None
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == f"7|{torch.get_num_threads()}|True|{os.getcwd()}\n"


def test_the_limits_of_a_static_run_are_not_those_of_a_probe(write: Write) -> None:
    slow = "import time\n" + LINEAR.replace(
        "return self",
        "None if x.is_meta or not self.training else time.sleep(1.5)\n        return self",
    )
    path = write(slow, "net.py")
    with OneWorker(Limits(timeout=1, sandbox="off")) as worker:
        list(worker.trace([TraceRequest(path)]))
        with worker.job(_probe(path)) as ended:
            assert answer(_probe(path), ended).result is not None


def test_a_probe_that_ends_the_process_is_reported(write: Write, worker: OneWorker) -> None:
    code = LINEAR.replace("self.layer(x)", "self.layer(x) if x.is_meta else exit(3)")
    path = write(code, "net.py")
    list(worker.trace([TraceRequest(path)]))
    with worker.job(_probe(path)) as ended, pytest.raises(ChildLost, match="with code 3"):
        answer(_probe(path), ended)


def test_without_a_worker_a_job_has_a_process_of_its_own(write: Write) -> None:
    path = write(LINEAR, "net.py")
    for share in (True, False):
        with OneWorker(Limits(sandbox="off"), share=share) as worker:
            if not share:
                list(worker.trace([TraceRequest(path)]))
            with worker.job(_probe(path)) as ended:
                assert answer(_probe(path), ended).result is not None
