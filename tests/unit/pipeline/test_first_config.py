"""The config file that ``bnlint init`` writes: valid as it is, and with its suggestions taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bnlint.cli import main
from bnlint.config import load_settings
from bnlint.domain.finding import Finding, ModelSummary, Problem, ProblemKind, Report, Severity
from bnlint.domain.graph import Inputs, Location, ModelRef, Trace
from bnlint.pipeline.first_config import first_config

SUGGESTION = re.compile(r'^# (?=("|BN|[a-z-]+ = ))', re.MULTILINE)


def _model(name: str, inputs: Inputs) -> ModelSummary:
    return ModelSummary(ModelRef("a.py", name, "class", inputs=inputs), Trace("t", True), 1, 1, 1)


def _unbuilt(name: str, call: str) -> Problem:
    hint = f"say how to build it: bnlint 'b.py::{call}'"
    return Problem(ProblemKind.NOT_BUILT, "b.py", f"{name} needs\nan argument", hint, 3, name)


def _finding(rule: str, count: int = 1) -> Finding:
    at = Location("a.py", 3)
    return Finding(rule, f"name-{rule}", Severity.WARNING, "", at, "A", "x", count=count)


REPORT = Report(
    (_finding("BN101", 5), _finding("BN301"), _finding("BN301")),
    (_unbuilt("B", "B(cfg=...)"), _unbuilt("C", 'C(kind="x")')),
    (
        _model("A", Inputs("inferred", ((1, 3, 8, 8), (4,)), ("", "mask"), ("", "torch.bool"))),
        _model("Given", Inputs("mined", ((1, 3),))),
    ),
)


def _read(folder: Path, text: str) -> dict[str, object]:
    (folder / "bnlint.toml").write_text(text)
    loaded = load_settings({"paths": []}, folder)
    return {name: getattr(loaded, name) for name in loaded.origins}


def test_as_it_is_the_file_changes_nothing(tmp_path: Path) -> None:
    read = _read(tmp_path, first_config(REPORT, "."))
    assert read["fail_on"] == "warning"
    assert not any(value for name, value in read.items() if name != "fail_on")


def test_every_suggestion_can_be_taken(tmp_path: Path) -> None:
    text = SUGGESTION.sub("", first_config(REPORT, "src"))
    read = _read(tmp_path, text)
    assert read["norm_placement"] == "after-activation"
    assert read["severity"] == {"BN101": "off", "BN301": "off"}
    (declared,) = read["models"]  # type: ignore[misc]
    assert [model.call for model in declared.models] == ["B(cfg=...)", 'C(kind="x")']
    (given,) = read["inputs_for"]  # type: ignore[misc]
    assert (given.glob, given.model) == ("a.py", "A")
    assert [each.written() for each in given.inputs] == ["1x3x8x8", "mask=4:bool"]
    assert "2 findings" in text
    assert "5 norms" in text


def test_an_empty_project_gets_examples(tmp_path: Path) -> None:
    read = _read(tmp_path, SUGGESTION.sub("", first_config(Report(), ".")))
    assert {"severity", "models", "inputs_for", "norm_placement"} <= read.keys()


def test_a_config_file_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    written = (tmp_path / "bnlint.toml").read_text()
    assert "`bnlint init .`" in written
    assert main(["init"]) == 2
    assert "there is a config file already" in capsys.readouterr().err
    assert (tmp_path / "bnlint.toml").read_text() == written
    (tmp_path / "bnlint.toml").unlink()
    (tmp_path / "pyproject.toml").write_text("[tool.bnlint]\n")
    assert main(["init"]) == 2
    assert not (tmp_path / "bnlint.toml").exists()
