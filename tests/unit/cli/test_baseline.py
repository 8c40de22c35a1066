from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bnlint.cli import main
from bnlint.config import Settings
from bnlint.domain.finding import Finding, ModelSummary, Problem, ProblemKind, Report, Severity
from bnlint.domain.graph import Location, ModelRef, Trace
from bnlint.findings.baseline import Entry, read_baseline
from bnlint.findings.order import fingerprinted
from bnlint.pipeline import renew_baseline
from bnlint.pipeline.conclude import Coverage


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Says what the next run finds: layers by file, with the problems of the run."""
    monkeypatch.chdir(tmp_path)

    def prepare(problems: tuple[Problem, ...] = (), **layers: str) -> None:
        findings = fingerprinted(
            [
                Finding("BN301", "n", Severity.WARNING, "m", Location(f"{f}.py", 1), "Net", layer)
                for f, names in layers.items()
                for layer in names.split()
            ],
            str,
        )
        models = tuple(
            ModelSummary(ModelRef(f"{f}.py", "Net", "class"), Trace("symbolic", True), 1, 1, 1)
            for f in layers
        )

        def check_whole(settings: Settings, **_: object) -> tuple[Report, Coverage]:
            assert not settings.baseline, "what is known must not be held back here"
            rules = frozenset(settings.select or ("BN301",))
            run = {f"{f}.py": rules for f in layers}
            decided = {f: rules for f in run if f not in {problem.file for problem in problems}}
            report = Report(findings, problems, models, by_hand=("gone.py",))
            return report, Coverage(run, decided, ("BN101", "BN301"))

        monkeypatch.setattr(renew_baseline, "check_whole", check_whole)
        for f in layers:
            (tmp_path / f"{f}.py").touch()

    return prepare


def _entries(folder: Path) -> list[tuple[str, str]]:
    return [(e.file, e.layer) for e in read_baseline(folder / "bnlint-baseline.json")]


def _run(action: str, *options: str) -> int:
    return main(["baseline", action, ".", "--baseline", "bnlint-baseline.json", *options])


def test_write_keeps_the_entries_of_files_that_were_not_looked_at(
    found: Callable[..., None], tmp_path: Path
) -> None:
    found(a="x y", b="z")
    _run("write")
    assert _entries(tmp_path) == [("a.py", "x"), ("a.py", "y"), ("b.py", "z")]
    found(a="x")
    _run("write")
    assert _entries(tmp_path) == [("a.py", "x"), ("b.py", "z")]


def test_prune_drops_what_is_gone_and_adds_nothing(
    found: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found(a="x y", b="z")
    _run("write")
    found(a="x new")
    _run("prune")
    assert _entries(tmp_path) == [("a.py", "x"), ("b.py", "z")]
    assert capsys.readouterr().out.endswith("1 entry dropped, 2 kept\n")


def test_prune_follows_a_renamed_file(found: Callable[..., None], tmp_path: Path) -> None:
    found(old="x")
    _run("write")
    (tmp_path / "old.py").unlink()
    found(new="x")
    _run("prune")
    assert _entries(tmp_path) == [("new.py", "x")]


def test_prune_keeps_entries_where_a_model_could_not_be_checked(
    found: Callable[..., None], tmp_path: Path
) -> None:
    found(a="x y")
    _run("write")
    found((Problem(ProblemKind.NOT_BUILT, "a.py", "no"),), a="x")
    _run("prune")
    assert len(_entries(tmp_path)) == 2


def test_the_default_file_lies_beside_the_config(
    found: Callable[..., None], tmp_path: Path
) -> None:
    found(a="x")
    assert main(["baseline", "write", "a.py"]) == 0
    (entry,) = read_baseline(tmp_path / "bnlint-baseline.json")
    assert isinstance(entry, Entry)


@pytest.mark.parametrize("action", ["write", "prune"])
def test_entries_of_rules_that_were_left_out_stay(
    found: Callable[..., None], tmp_path: Path, action: str
) -> None:
    found(a="x y")
    _run("write")
    found(a="")
    assert _run(action, "--select", "BN101") == 0
    assert len(_entries(tmp_path)) == 2
    assert _run(action) == 0
    assert _entries(tmp_path) == []


@pytest.mark.parametrize("action", ["write", "prune"])
def test_a_slip_in_a_path_is_told_and_writes_nothing(
    found: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    action: str,
) -> None:
    found(a="x")
    _run("write")
    gone = Problem(ProblemKind.NOT_FOUND, "gone.py", "there is no such file", blocking=True)
    found((gone,))
    assert _run(action) == 2
    assert "gone.py: there is no such file" in capsys.readouterr().err
    assert _entries(tmp_path) == [("a.py", "x")]
    found((gone,), a="x z")
    assert _run("write") == 2
    assert len(_entries(tmp_path)) == 2


def test_help_names_the_actions_and_only_what_decides_findings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["baseline", "--help"]) == 0
    assert "bnlint baseline prune PATH..." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["baseline", "write", "--help"])
    shown = capsys.readouterr().out
    assert "--select" in shown
    assert "--unsafe-fixes" not in shown
