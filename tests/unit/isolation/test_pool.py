from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.domain.errors import UsageError
from bnlint.domain.finding import ProblemKind
from bnlint.domain.request import NOTHING, InputSpec, TraceOutcome, TraceRequest
from bnlint.isolation import pool as pool_module
from bnlint.isolation.pool import Pool
from tests.unit.isolation.conftest import LINEAR, Check

Write = Callable[[str, str], str]


def bare(outcome: TraceOutcome) -> TraceOutcome:
    """Without what differs from process to process: a new one has more to load."""
    return replace(outcome, durations={}, consulted=NOTHING)


def test_outcomes_come_in_the_order_of_the_requests(pool: Pool, write: Write) -> None:
    slow = "import time\ntime.sleep(0.3)\n"
    paths = [write((slow if i == 0 else "") + LINEAR, f"net{i}.py") for i in range(9)]
    outcomes = list(pool.trace(map(TraceRequest, paths)))
    assert [o.path for o in outcomes] == paths
    assert all(len(o.graphs) == 1 for o in outcomes)


def test_requests_are_taken_lazily(pool: Pool, write: Write) -> None:
    path, taken = write(LINEAR, "net.py"), []

    def requests() -> Iterator[TraceRequest]:
        for i in range(30):
            taken.append(i)
            yield TraceRequest(path)

    outcomes = pool.trace(requests())
    assert taken == []
    next(outcomes)
    assert len(taken) < 20
    assert len(list(outcomes)) == 29


def test_a_fresh_process_gives_the_same_answer(pool: Pool, write: Write) -> None:
    paths = [write(LINEAR, "net.py"), write("import os\nos._exit(7)\n", "bad.py")]
    with Pool(timeout=20, fork=False) as fresh:
        cold = list(fresh.trace(map(TraceRequest, paths)))
    warm = list(pool.trace(map(TraceRequest, paths)))
    assert list(map(bare, cold)) == list(map(bare, warm))
    assert cold[1].problems[0].kind is ProblemKind.EXIT


def test_two_runs_of_one_pool_do_not_mix(pool: Pool, write: Write) -> None:
    path = write(LINEAR, "net.py")
    abandoned = pool.trace([TraceRequest(path)] * 3)
    next(abandoned)
    other = write(LINEAR.replace("Net", "Other"), "other.py")
    (outcome,) = pool.trace([TraceRequest(other)])
    assert [g.ref.name for g in outcome.graphs] == ["Other"]


def test_text_stands_in_for_the_file(pool: Pool, write: Write) -> None:
    request = TraceRequest(write("raise ValueError\n", "net.py"), text=LINEAR)
    (outcome,) = pool.trace([request])
    assert [g.ref.name for g in outcome.graphs] == ["Net"]
    definition = outcome.graphs[0].ref.definition
    assert definition is not None
    assert (definition.path, definition.line) == (request.path, 5)


def test_declared_inputs_reach_the_graph(pool: Pool, write: Write) -> None:
    request = TraceRequest(write(LINEAR, "net.py"), inputs=(InputSpec((5, 3)),))
    (outcome,) = pool.trace([request])
    assert outcome.graphs[0].ref.inputs.shapes == ((5, 3),)
    assert outcome.graphs[0].ref.inputs.source == "declared"


def test_an_installed_module_by_its_name(pool: Pool) -> None:
    (outcome,) = pool.trace([TraceRequest("", module="torch.nn.modules.flatten")])
    assert [g.ref.name for g in outcome.graphs] == ["Flatten", "Unflatten"]


def test_nothing_is_left_behind(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    folder = tmp_path / "project"
    path = write(LINEAR + "open('made.txt', 'w').write('x')\n", "project/net.py")
    with Pool(timeout=20) as pool:
        assert len(list(pool.trace([TraceRequest(path)]))) == 1
    assert os.listdir(folder) == ["net.py"]
    assert os.listdir(temporary) == []


def test_a_torch_that_cannot_be_imported_is_said(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('broken on purpose')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Pool() as pool, pytest.raises(UsageError, match="broken on purpose"):
        list(pool.trace([TraceRequest(write(LINEAR, "net.py"))]))


def test_the_host_does_not_import_torch() -> None:
    code = "import sys, bnlint.isolation.pool; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_path_of_the_host_is_not_shadowed(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise ImportError('the wrong json')\n")
    monkeypatch.chdir(tmp_path)
    with Pool(timeout=20) as pool:
        (outcome,) = pool.trace([TraceRequest(write(LINEAR, "deep/net.py"))])
    assert [g.ref.name for g in outcome.graphs] == ["Net"]


def test_a_closed_pool_ends_its_worker() -> None:
    pool = Pool()
    worker = pool._worker
    assert worker is not None
    pool.close()
    assert worker._process.poll() is not None
    assert pool_module.Pool is Pool


def test_modules_beside_the_file_are_told(check: Check, write: Write) -> None:
    local = write("WIDTH = 3\n", "sizes.py")
    outcome = check("from sizes import WIDTH\n" + LINEAR)
    assert outcome.imported == (local,)


def test_a_worker_killed_while_torch_loads_is_replaced(tmp_path: Path) -> None:
    """Nobody is told that torch is missing when something merely ended the process."""
    (tmp_path / "net.py").write_text("from torch import nn\nnet = nn.Linear(2, 2)\n")
    with Pool(1) as pool:
        assert pool._worker is not None
        pool._worker._process.kill()
        (outcome,) = pool.trace([TraceRequest(str(tmp_path / "net.py"))])
    assert [graph.ref.name for graph in outcome.graphs] == ["net"]


def test_what_children_load_late_is_loaded_once_for_a_long_queue(pool: Pool, write: Write) -> None:
    """The first child says so; those that start after the worker has loaded it do not."""
    code = "import sys\nfrom torch import nn\n{}\nnet = nn.Linear(2, 2)\n"
    code += "net.late = 'torch._dynamo' in sys.modules\nassert net.late is {}\n"
    loads, finds = code.format("import torch._dynamo", True), code.format("", True)
    paths = [write(loads, f"first{n}.py") for n in range(2)]
    paths += [write(finds, f"later{n}.py") for n in range(12)]
    outcomes = list(pool.trace(map(TraceRequest, paths)))
    assert outcomes[-1].problems == ()
    assert len(outcomes[-1].graphs) == 1
