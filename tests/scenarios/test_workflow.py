"""The command in a team's workflow, from the files on the disk to what is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnlint.cli import main
from bnlint.domain.rule import Rule
from bnlint.engine.explain import OWN_RULES
from bnlint.isolation import pool

NET = """\
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))
"""
FOUND = "net.py:7:21: BN301"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_warm_run_says_the_same_and_starts_no_worker(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = _run(capsys, "net.py", "--select", "BN301")
    assert cold[0] == 1
    assert cold[1].startswith(FOUND)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(pool, "Pool", refuse)
    assert _run(capsys, "net.py", "--select", "BN301") == cold
    # Other rules on the same graph need no torch either; other text does.
    assert _run(capsys, "net.py", "--select", "BN105")[0] == 0
    (project / "net.py").write_text(NET + "\n")
    assert _run(capsys, "net.py", "--select", "BN301")[0] == 2


def test_a_local_module_that_changes_makes_the_run_cold(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "parts.py").write_text("BIAS = False\n")
    text = NET.replace("nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 3, bias=parts.BIAS)")
    (project / "net.py").write_text("import parts\n" + text)
    arguments = ("net.py", "--select", "BN301")
    assert _run(capsys, *arguments)[0] == 0
    assert _run(capsys, *arguments)[0] == 0
    (project / "parts.py").write_text("BIAS = True\n")
    assert _run(capsys, *arguments)[0] == 1


def test_a_broken_or_read_only_cache_changes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("net.py", "--select", "BN301")
    first = _run(capsys, *arguments)
    for path in (project / ".bnlint_cache").glob("??/*"):
        path.write_bytes(path.read_bytes()[:40])
    assert _run(capsys, *arguments) == first
    (project / "occupied").write_text("a file where the cache should be")
    assert _run(capsys, *arguments, "--cache-dir", "occupied") == first


def test_eight_runs_at_once_say_the_same(project: Path) -> None:
    command = [sys.executable, "-m", "bnlint", "net.py", "--select", "BN301"]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    runs = [
        subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    texts = [run.communicate()[0] for run in runs]
    assert texts[0].startswith(FOUND)
    assert len(set(texts)) == 1


def test_comments_hold_findings_back_at_constructor_call_and_class(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    comment = "  # bnlint: ignore[redundant-bias] -- kept for old checkpoints"
    for line in ("Conv2d(3, 8, 3)", "self.act(self.bn(self.conv(x)))", "class Net(nn.Module):"):
        (project / "net.py").write_text(NET.replace(line, line + comment))
        code, out, err = _run(capsys, "net.py", "--select", "BN301,BN9")
        assert (code, out) == (0, ""), line
        assert "1 suppressed" in err
    (project / "net.py").write_text(NET.replace("nn.ReLU()", "nn.ReLU()" + comment))
    out = _run(capsys, "net.py", "--select", "BN301,BN9")[1]
    assert [line.split()[1] for line in out.splitlines()] == ["BN301", "BN900"]
    part = "# coding: latin-1\n" + NET.replace("3)\n", "3)  # caf\xe9" + comment + "\n")
    (project / "part.py").write_bytes(part.encode("latin-1"))
    (project / "net.py").write_text("from part import Net\n\nnet = Net()\n")
    assert _run(capsys, "net.py", "--select", "BN301")[:2] == (0, "")
    (project / "net.py").write_text(NET + "# bnlint: skip-file\n")
    assert _run(capsys, "net.py")[:2] == (0, "")


def test_a_baseline_survives_edits_above_and_a_new_name(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ("--select", "BN301", "--baseline", "bnlint-baseline.json")
    assert _run(capsys, "baseline", "write", "net.py", "--select", "BN301")[0] == 0
    (project / "net.py").write_text("# a line above\n" + NET)
    code, out, err = _run(capsys, "net.py", *known)
    assert (code, out) == (0, "")
    assert "1 in the baseline" in err
    (project / "net.py").rename(project / "renamed.py")
    assert _run(capsys, "renamed.py", *known)[0] == 0
    (project / "renamed.py").write_text(NET.replace("8, 3)", "8, 3, bias=False)"))
    code, _, err = _run(capsys, "renamed.py", *known)
    assert code == 0
    assert "BN301 in net.py (Net: conv) is no longer found" in err
    assert "0 kept" in _run(capsys, "baseline", "prune", "renamed.py", *known)[1]


def test_since_reports_what_changed_lines_bring(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _git(project, "init", "-q")
    _git(project, "add", "net.py")
    _git(project, "commit", "-qm", "first")
    arguments = ("net.py", "--select", "BN301", "--since", "HEAD")
    assert _run(capsys, *arguments)[:2] == (0, "")
    (project / "net.py").write_text(NET.replace("nn.ReLU()", "nn.ELU()"))
    assert _run(capsys, *arguments)[:2] == (0, "")
    (project / "net.py").write_text(NET.replace("8, 3)", "8, 5)"))
    assert _run(capsys, *arguments)[1].startswith(FOUND)
    assert "no revision 'nowhere'" in _run(capsys, "net.py", "--since", "nowhere")[2]


def test_the_config_file_decides_what_is_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "bnlint.toml").write_text(
        'select = ["BN301"]\n[severity]\nredundant-bias = "error"\n'
        '[per-file."old/*.py"]\nignore = ["BN3"]\n'
    )
    (project / "old").mkdir()
    (project / "old" / "net.py").write_text(NET)
    code, out, _ = _run(capsys, ".", "--fail-on", "error", "--format", "json")
    assert code == 1
    findings = json.loads(out)["findings"]
    assert [(f["file"], f["severity"]) for f in findings] == [("net.py", "error")]
    (project / "bnlint.toml").write_text('selct = ["BN3"]\n[severity]\nBN301 = "of"\n')
    code, out, err = _run(capsys, ".")
    assert (code, out) == (2, "")
    assert "bnlint.toml:1:1: unknown setting 'selct'" in err
    assert "bnlint.toml:3:9: severity of BN301" in err
    (project / "bnlint.toml").write_text('select = ["BN999"]\n')
    code, _, err = _run(capsys, ".")
    assert code == 2
    assert "BN999" in err


def test_a_path_that_does_not_exist_leaves_the_rest_unharmed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(capsys, "nte.py", "net.py", "--select", "BN301")
    assert code == 2
    assert out.startswith(FOUND)
    assert "nte.py: not checked (not-found): there is no such file or folder" in err
    assert "did you mean 'net.py'?" in err


def test_standard_input_is_linted_under_its_name(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bnlint", "-", "--stdin-filename", "net.py", "--select", "BN301"],
        input="\n" + NET,
        capture_output=True,
        text=True,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("net.py:8:21: BN301")


def test_a_file_name_that_is_no_text_is_linted_and_shown(project: Path) -> None:
    (project / "net.py").rename(os.fsdecode(os.fsencode(project) + b"/n\xff.py"))
    done = subprocess.run(
        [sys.executable, "-m", "bnlint", ".", "--select", "BN301", "--format=json=a.json"],
        capture_output=True,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "LC_ALL": "C"},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads((project / "a.json").read_text())["findings"][0]["file"] == "n\udcff.py"
    assert b"internal error" not in done.stderr


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--baseline", "none.json"), "there is no baseline file"),
        (("--since", "nowhere"), "no revision 'nowhere'"),
    ],
)
def test_what_findings_are_compared_with_is_read_before_anything_is_traced(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    option: tuple[str, str],
    message: str,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started")

    _git(project, "init", "-q")
    monkeypatch.setattr(pool, "Pool", refuse)
    code, out, err = _run(capsys, "net.py", *option)
    assert (code, out) == (2, "")
    assert message in err
    assert "internal error" not in err


def test_unchecked_files_are_allowed_but_paths_that_do_not_exist_are_not(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "bad.py").write_text("import torch\nraise ValueError('no')\n")
    assert _run(capsys, "bad.py")[0] == 2
    code, _, err = _run(capsys, "bad.py", "--allow-unchecked")
    assert code == 0
    assert "bad.py:2: not checked (import-failed)" in err
    assert _run(capsys, "bad.py", "net.py", "--allow-unchecked", "--select=BN301")[0] == 1
    assert _run(capsys, "nte.py", "bad.py", "--allow-unchecked")[0] == 2


@pytest.mark.parametrize("rule", OWN_RULES, ids=lambda rule: rule.id)
def test_the_pages_about_comments_show_what_happens(
    project: Path, capsys: pytest.CaptureFixture[str], rule: Rule
) -> None:
    for example, found in ((rule.bad[0], [rule.id]), (rule.good[0], [])):
        (project / "net.py").write_text(example.code)
        out = _run(capsys, "net.py", "--select", "BN301,BN9")[1]
        assert [line.split()[1] for line in out.splitlines()] == found
    assert rule.docs.why in _run(capsys, "explain", rule.name)[1]


def test_the_list_of_rules_weighs_them_as_a_run_would(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "bnlint.toml").write_text(
        'ignore = ["BN101"]\n[severity]\nBN3 = "info"\nBN301 = "error"\nBN109 = "info"\n'
        'BN9 = "off"\nBN901 = "error"\n'
    )
    listed = dict(line.split()[::2][:2] for line in _run(capsys, "rules")[1].splitlines())
    assert {id_: listed[id_] for id_ in ("BN101", "BN109", "BN201", "BN301", "BN302")} == {
        "BN101": "off",
        "BN109": "info",
        "BN201": "error",
        "BN301": "error",
        "BN302": "info",
    }
    assert (listed["BN900"], listed["BN901"]) == ("off", "error")


def test_inputs_of_a_model_hold_where_it_is_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "bnlint.toml").write_text('[inputs]\n"*.py::Net" = "2x3x17x19"\n')
    _, out, _ = _run(capsys, "net.py", "--format", "json")
    assert json.loads(out)["models"][0]["inputs"] == {
        "source": "declared",
        "shapes": [[2, 3, 17, 19]],
    }


def test_a_word_that_is_nearly_a_command_is_no_path(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _run(capsys, "explian", "BN301")
    assert (code, err) == (
        2,
        "bnlint: error: there is no command or file called 'explian'\n"
        "    hint: did you mean 'explain'?\n",
    )
    (project / "explian").mkdir()
    assert "command" not in _run(capsys, "explian")[2]


def test_statistics_replace_the_findings(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, "net.py", "--statistics")
    assert (code, out) == (1, "    1  BN301  warning  redundant-bias  fix: unsafe\n")
    assert err.endswith("1 fix available (`--fix --unsafe-fixes`)\n")


def test_after_a_baseline_was_written_the_next_step_is_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, err = _run(capsys, "baseline", "write", "net.py")
    assert out == "bnlint-baseline.json: 1 finding written\n"
    assert '    baseline = "bnlint-baseline.json"\n' in err
    (project / "bnlint.toml").write_text('baseline = "bnlint-baseline.json"\n')
    assert _run(capsys, "net.py")[0] == 0
    assert _run(capsys, "baseline", "write", "net.py")[2] == "next: commit bnlint-baseline.json\n"
