"""The GitHub Action: its scripts run as a runner would run them, its expressions are all known."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")
BAD = "from torch import nn\n\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"


class Runner:
    """Runs the steps that are scripts, with the inputs given."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.values = {f"inputs.{name}": each["default"] for name, each in ACTION["inputs"].items()}
        self.values |= {f"inputs.{name}": value for name, value in inputs.items()}
        self.values |= {"inputs.python": sys.executable, "github.action_path": str(ROOT)}

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        output = self.folder / "output"
        output.write_text("")
        own = {key: EXPRESSION.sub(self._value, text) for key, text in step["env"].items()}
        where = EXPRESSION.sub(self._value, step.get("working-directory", "."))
        github = {"GITHUB_OUTPUT": str(output), "GITHUB_WORKSPACE": str(self.folder)}
        github["GITHUB_STEP_SUMMARY"] = str(self.folder / "summary")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder / where,
            env={**os.environ, "PYTHONPATH": str(ROOT), **own, **github},
            capture_output=True,
            text=True,
            check=False,
        )
        for line in output.read_text().splitlines():
            key, _, value = line.partition("=")
            self.values[f"steps.{step.get('id')}.outputs.{key}"] = value
        return done

    def _value(self, found: re.Match[str]) -> str:
        return self.values[found[1]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "bnlint.toml").write_text('select = ["BN301"]\n')
    (tmp_path / "with blank").mkdir()
    (tmp_path / "with blank" / "net.py").write_text(BAD)
    return tmp_path


def test_findings_are_annotated_kept_as_sarif_and_fail_the_job_at_its_end(project: Path) -> None:
    runner = Runner(project, paths="with blank\n", options="--fail-on=info\n--no-cache")
    done = runner.run("Lint")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("::warning file=with blank/net.py,line=3,")
    assert runner.values["steps.lint.outputs.sarif"] == str(project / "bnlint.sarif")
    log = json.loads((project / "bnlint.sarif").read_text(encoding="utf-8"))
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["BN301"]
    assert runner.run("Conclude").returncode == 1


def test_in_a_working_directory_paths_are_those_of_the_repository(project: Path) -> None:
    folder = {"working-directory": "with blank", "paths": "net.py", "sarif": "out/a.sarif"}
    runner = Runner(project, **folder)
    done = runner.run("Lint")
    assert done.stdout.startswith("::warning file=with blank/net.py,line=3,")
    written = project / "with blank" / "out" / "a.sarif"
    assert runner.values["steps.lint.outputs.sarif"] == str(written)
    (result,) = json.loads(written.read_text(encoding="utf-8"))["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"] == "with%20blank/net.py"


def test_a_clean_project_passes(project: Path) -> None:
    runner = Runner(project, options="--ignore=BN301")
    assert runner.run("Lint").returncode == 0
    assert runner.run("Conclude").returncode == 0


def test_a_mistake_uploads_nothing_and_fails(project: Path) -> None:
    (project / "bnlint.sarif").write_text("of an earlier run")
    runner = Runner(project, options="--slect=BN1")
    done = runner.run("Lint")
    assert "did you mean '--select'?" in done.stderr
    assert "steps.lint.outputs.sarif" not in runner.values
    assert "steps.lint.outputs.sarif != ''" in STEPS["Upload"]["if"]
    assert runner.run("Conclude").returncode == 2


def test_no_input_is_pasted_into_a_script(project: Path) -> None:
    assert not any("${{" in step.get("run", "") for step in STEPS.values())
    runner = Runner(project, paths='"; touch pwned; "\n$(touch pwned)', options="`touch pwned`")
    runner.run("Lint")
    assert not (project / "pwned").exists()


def test_a_comparison_goes_into_the_job_summary_and_fails_the_job(project: Path) -> None:
    net = "from torch import nn\n\nnet = nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 2))\n"
    for text in (net, net.replace("8, 2", "8, 3")):
        (project / "with blank" / "net.py").write_text(text)
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
            who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
            subprocess.run(["git", *who, *command], cwd=project, check=True)
    runner = Runner(project, paths="with blank", compare="HEAD~1")
    done = runner.run("Compare")
    assert done.returncode == 0, done.stderr
    summary = (project / "summary").read_text(encoding="utf-8")
    assert "### bnlint compare: `HEAD~1` → `working tree`" in summary
    assert "1.weight" in summary
    assert runner.run("Conclude the comparison").returncode == 1
    assert STEPS["Compare"]["if"] == "inputs.compare != ''"
