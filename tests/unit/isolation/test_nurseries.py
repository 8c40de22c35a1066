"""Imports that several files of a run have in common are done once, and change no result."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.domain.request import TraceOutcome, TraceRequest
from bnlint.isolation.folders import HeldFolder
from bnlint.isolation.pool import Pool
from bnlint.isolation.sharing.nursery import Nursery, stamps
from bnlint.isolation.sharing.shares import Shares
from bnlint.loading.sharing.header import Header
from tests.unit.isolation.conftest import LINEAR

SLOW = """
import os, sys, time
until = time.process_time() + 0.4
while time.process_time() < until:
    pass
VALUE = 3
with open(os.environ["SLOW_LOG"], "a") as stream:
    stream.write("imported\\n")
"""
USES = "import slowly\n" + LINEAR.replace("nn.Linear(3, 4)", "nn.Linear(slowly.VALUE, 4)")
FILES = 9

Run = Callable[[str, list[str]], tuple[list[TraceOutcome], int]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Traces files where the package ``slowly`` is installed with this text."""
    site, log = tmp_path / "site-packages", tmp_path / "log"
    (site / "slowly-1.0.dist-info").mkdir(parents=True)
    (site / "slowly-1.0.dist-info" / "RECORD").touch()
    (site / "slowly").mkdir()
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("SLOW_LOG", str(log))

    def run(package: str, files: list[str]) -> tuple[list[TraceOutcome], int]:
        (site / "slowly" / "__init__.py").write_text(package)
        with Pool(jobs=2, timeout=20, sandbox="off") as pool:
            outcomes = list(pool.trace(map(TraceRequest, files)))
        return outcomes, log.read_text().count("imported")

    return run


def users(folder: Path, count: int = FILES) -> list[str]:
    """Files that use the package."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [folder / f"net{number}.py" for number in range(count)]
    for path in found:
        path.write_text(USES)
    return list(map(str, found))


def sizes(outcome: TraceOutcome) -> list[int]:
    return [graph.parameters for graph in outcome.graphs]


def test_what_many_files_import_first_is_imported_a_few_times(run: Run, tmp_path: Path) -> None:
    outcomes, imports = run(SLOW, users(tmp_path / "nets"))
    assert [sizes(each) for each in outcomes] == [[16]] * FILES
    assert imports < FILES - 2
    first, last = outcomes[0], outcomes[-1]
    assert first.problems == last.problems == ()
    # the last would be stale for the same reasons: a slowly.py beside it, another SLOW_LOG
    assert replace(last.consulted, files=(), seen=()) == replace(first.consulted, files=(), seen=())
    assert "slowly" in last.consulted.modules[str(tmp_path / "nets")]


def test_a_file_with_a_module_of_that_name_gets_its_own(run: Run, tmp_path: Path) -> None:
    files = users(tmp_path / "nets")
    (own,) = users(tmp_path / "own", 1)
    (tmp_path / "own" / "slowly.py").write_text("VALUE = 5\n")
    outcomes, _ = run(SLOW, [*files, own])
    assert sizes(outcomes[-1]) == [24]


def test_a_package_that_cannot_be_forked_harms_no_file(run: Run, tmp_path: Path) -> None:
    kills = SLOW + "os.register_at_fork(after_in_child=lambda: os._exit(3))\n"
    outcomes, imports = run(kills, users(tmp_path / "nets"))
    assert [sizes(each) for each in outcomes] == [[16]] * FILES
    assert imports >= FILES


def test_a_package_that_fails_where_it_is_shared_is_imported_by_each(
    run: Run, tmp_path: Path
) -> None:
    fails = SLOW + "assert sys.argv[0]\n"
    outcomes, imports = run(fails, users(tmp_path / "nets"))
    assert [sizes(each) for each in outcomes] == [[16]] * FILES
    assert imports >= FILES


def test_only_what_takes_long_and_is_common_is_worth_it() -> None:
    shares, quick, slow = Shares(), "import quick", "import slowly"
    shares.learn({quick: 0.05, slow: 0.5})
    header = Header((quick, slow))
    assert shares.worthwhile(header, [header] * 2, []) == ()
    assert shares.worthwhile(header, [header] * 3, []) == (slow,)
    assert shares.worthwhile(Header((quick,)), [header] * 3, []) == ()
    assert shares.worthwhile(header, [header] * 3, [(slow,)]) == ()
    shares.fail([slow])
    assert shares.worthwhile(header, [header] * 3, []) == ()


def test_an_import_that_costs_little_after_another_is_no_reason_for_a_second_process() -> None:
    shares, base, more = Shares(), "import base", "import base.more"
    shares.learn({base: 1.0, more: 1.2})
    few = [Header((base, more))] * 4
    assert shares.worthwhile(few[0], few, []) == (base, more)
    assert shares.worthwhile(few[0], few, [(base,)]) == ()  # not known yet
    shares.learn({more: 0.1}, done=[base])
    assert shares.worthwhile(few[0], few, [(base,)]) == ()
    shares.learn({more: 0.8}, done=[base])
    assert shares.worthwhile(few[0], few, [(base,)]) == ()  # four files would not pay for it
    assert shares.worthwhile(few[0], few * 3, [(base,)]) == (base, more)


def test_what_is_installed_meanwhile_is_not_missed(tmp_path: Path) -> None:
    held, header = HeldFolder(str(tmp_path)), Header(("import slowly", "import quick"))
    now = stamps()
    given = ("import slowly",), 0, -1, -1, held, 0.0
    assert Nursery(*given, now, tops=("slowly",)).fits(header)
    assert not Nursery(*given, (*now, 1), tops=("slowly",)).fits(header)
    assert not Nursery(*given, now).fits(header)
    held.close()
