"""``bnlint test-rules`` on rule files of a user: passed, failed, broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bnlint.cli import main

RULE = """\
id: XX101
name: a-bias
severity: warning
summary: a bias before a norm
match:
  - kernel: {is: kernel}
  - bn: {is: batchnorm}
where:
  - [$kernel.bias, eq, true]
report: {at: kernel, message: "{kernel.path} has a bias"}
docs: {why: because}
"""
BAD = """\
from torch import nn
net = nn.Sequential(
    nn.Conv2d(3, 8, 3),  # expect: XX101, BN301
    nn.BatchNorm2d(8),
)
"""
GOOD = BAD.replace("8, 3),  # expect: XX101, BN301", "8, 3, bias=False),")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ci").mkdir()
    return tmp_path


def _write(folder: Path, *, bad: str = BAD, good: str = GOOD, rule: str = RULE) -> None:
    examples = f"examples: {{bad: [{json.dumps(bad)}], good: [{json.dumps(good)}]}}\n"
    (folder / "ci" / "XX101-a-bias.yaml").write_text(rule + examples)


def _test(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    code = main(["test-rules", "ci"])
    shown = capsys.readouterr()
    return code, shown.out.splitlines(), shown.err


def test_a_rule_whose_examples_hold_passes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(folder)
    code, out, err = _test(capsys)
    assert out == ["XX101 a-bias: 2 examples passed", "1 rule, 2 examples, 0 failed"]
    assert (code, err) == (0, "")


def test_a_failed_example_is_named_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(folder, good=BAD.replace("  # expect: XX101, BN301", ""))
    code, out, _ = _test(capsys)
    assert code == 1
    assert out[0] == "XX101 a-bias: FAILED"
    assert all(line.startswith("    ci/XX101-a-bias.yaml:12:") for line in out[1:-1])
    assert any(line.endswith("a good example: XX101 fires on line 3") for line in out)
    assert out[-1] == "1 rule, 2 examples, 1 failed"


def test_an_example_that_ends_its_process_fails_and_the_rest_is_tried(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(folder, good="import os\nimport torch\nos._exit(3)\n")
    code, out, _ = _test(capsys)
    assert code == 1
    assert out[0] == "XX101 a-bias: FAILED"
    assert "line 3: the file's code ended the process with status 3" in out[1]
    assert len(out) == 3


def test_a_broken_rule_file_and_a_missing_one_are_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _test(capsys)
    assert (code, out) == (2, [])
    assert "no rule file at 'ci'" in err
    _write(folder, rule=RULE.replace("severity: warning", "severity: wrning"))
    code, out, err = _test(capsys)
    assert (code, out) == (2, [])
    assert "XX101-a-bias.yaml:3:11" in err


def test_rules_are_tested_without_torch_in_the_command_itself(folder: Path) -> None:
    _write(folder)
    code = (
        "import sys\nfrom bnlint.cli import main\nmain(['test-rules', 'ci'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": root}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"0 failed" in done.stdout
