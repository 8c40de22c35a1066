"""Rows of the config file that match nothing are reported, and only those."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.config import load_settings
from bnlint.domain.finding import ModelSummary, Problem, ProblemKind
from bnlint.domain.graph import ModelRef, Trace
from bnlint.pipeline.unmatched import unmatched
from bnlint.pipeline.work import FileResult
from bnlint.sources import Paths, SourceFile, Sources

CONFIG = """\
[models]
"net.py" = "Net()"
"nett.py" = "Net()"

[per-file]
"src/*.py" = {ignore = ["BN301"]}
"sourc/*.py" = {ignore = ["BN301"]}
"old_*.py" = {ignore = ["BN301"]}

[inputs]
"n*.py::Net" = "1x3x32x32"
"n*.py::Nat" = "1x3x32x32"
"n*.py::Heavy" = "1x3x32x32"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "net.py").touch()
    (tmp_path / "bnlint.toml").write_text(CONFIG)
    return tmp_path


def _said(folder: Path, argument: str, *problems: Problem, cwd: str = "") -> list[str]:
    paths = Paths(folder / cwd, folder)
    settings = load_settings({"paths": [argument]}, folder / cwd)
    sources = Sources((SourceFile("net.py" if not cwd else "../net.py", "", ""),))
    model = ModelSummary(ModelRef("net.py", "Net", "class"), Trace("symbolic", True), 1, 0, 0)
    result = FileResult(str(folder / "net.py"), problems=problems, models=(model,))
    found = unmatched(settings, paths, sources, (result,))
    assert {p.kind for p in found} == {ProblemKind.CONFIG}
    assert not any(p.blocking for p in found)
    return [f"{p.file}:{p.line} {p.message} {p.hint}" for p in found]


HEAVY = Problem(ProblemKind.NOT_BUILT, "net.py", "needs an argument", model="Heavy")
NAT = (
    "bnlint.toml:12 [inputs]: no model is called 'Nat' in the files of 'n*.py' did you mean 'Net'?"
)
ROOT = "paths are relative to the folder of the config file"


def test_a_run_on_a_folder_knows_which_globs_match_nothing(project: Path) -> None:
    assert _said(project, ".", HEAVY) == [
        f"bnlint.toml:3 [models]: no file matches 'nett.py' {ROOT}",
        f"bnlint.toml:6 [per-file]: no file matches 'src/*.py' {ROOT}",
        f"bnlint.toml:7 [per-file]: no file matches 'sourc/*.py' {ROOT}",
        f"bnlint.toml:8 [per-file]: no file matches 'old_*.py' {ROOT}",
        NAT,
    ]


def test_a_run_on_a_file_knows_only_what_is_missing_on_the_disk(project: Path) -> None:
    assert _said(project, "net.py", HEAVY) == [
        f"bnlint.toml:3 [models]: no file matches 'nett.py' {ROOT}",
        f"bnlint.toml:7 [per-file]: no file matches 'sourc/*.py' {ROOT}",
        NAT,
    ]


def test_a_model_of_a_file_that_was_not_checked_may_exist(project: Path) -> None:
    failed = Problem(ProblemKind.IMPORT_FAILED, "net.py", "no module", blocking=True)
    assert not [said for said in _said(project, ".", failed) if "[inputs]" in said]


def test_without_a_config_file_nothing_is_said(tmp_path: Path) -> None:
    settings = load_settings({"paths": ["."], "isolated": True}, tmp_path)
    assert unmatched(settings, Paths(tmp_path, tmp_path), Sources(), ()) == ()
