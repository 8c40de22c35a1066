"""Bad input of every sort: a clear message, and nothing lost."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bnlint.cli import main

NET = "from torch import nn\n\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"
FOUND = "net.py:3:21: BN301"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bnlint.toml").write_text('select = ["BN301"]\n')
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    shown = capsys.readouterr()
    assert "internal error" not in shown.err
    assert "Traceback" not in shown.err
    return code, shown.out, shown.err


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("latin.py", "import torch  # größe\n".encode("latin-1"), "not readable as Python source"),
        ("coding.py", b"# coding: klingon\nimport torch\n", "unknown encoding: klingon"),
        ("nul.py", b"import torch\nx = '\0'\n", "null bytes"),
        ("syntax.py", b"import torch\ndef f(:\n", "not checked (syntax-error)"),
        ("wide.py", "import torch\n".encode("utf-16"), "not readable as Python source"),
        ("gone.py", None, "no such file"),
        ("net*.txt", None, "no file matches this glob"),
        ("net.py::Nte", None, "Nte"),
    ],
)
def test_one_bad_file_is_told_and_the_good_one_checked(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    data: bytes | None,
    message: str,
) -> None:
    if data is not None:
        (project / name).write_bytes(data)
    (project / "good.py").write_text(NET)
    code, out, err = _run(capsys, name, ".")
    assert code == 2
    assert message in err
    assert "good.py:3:21: BN301" in out


def test_what_the_system_does_not_let_us_read_is_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "loop.py").symlink_to("loop.py")
    (project / "folder.py").mkdir()
    (project / "secret.py").write_text(NET)
    (project / "secret.py").chmod(0)
    _, out, err = _run(capsys, ".")
    assert out.startswith(FOUND)
    assert "loop.py: not checked (unreadable): cannot be read" in err
    if os.geteuid() != 0:
        assert "secret.py: not checked (unreadable): cannot be read: Permission denied" in err


def test_encodings_that_python_knows_are_read(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = NET.replace("net =", "größe = 8; net =")
    (project / "latin.py").write_bytes(("# coding: latin-1\n" + text).encode("latin-1"))
    (project / "bom.py").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (project / "dos.py").write_bytes(text.replace("\n", "\r\n").encode())
    code, out, err = _run(capsys, "latin.py", "bom.py", "dos.py")
    assert code == 1, err
    places = [line.partition(" ")[0] for line in out.splitlines()]
    assert places == ["bom.py:3:32:", "dos.py:3:32:", "latin.py:4:32:"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 99, "findings": []}', "has version 99, and this bnlint reads up to 1"),
        ("{<<<<<<< HEAD", "bnlint-baseline.json:1:2: not valid JSON"),
        ("[]", "is not a baseline file"),
        ('{"version": 1, "findings": [{"file": "net.py"}]}', "an entry is not complete"),
    ],
)
def test_a_baseline_that_is_not_understood_is_left_as_it_is(
    project: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = project / "bnlint-baseline.json"
    path.write_text(text)
    known = ("net.py", "--baseline", path.name)
    for command in ((), ("baseline", "write"), ("baseline", "prune")):
        code, out, err = _run(capsys, *command, *known)
        assert (code, out) == (2, "")
        assert message in err
        assert path.read_text() == text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="writes to /proc")
def test_a_cache_that_cannot_be_written_costs_only_time(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(capsys, "net.py", "--cache-dir", "/proc/bnlint")
    assert code == 1
    assert out.startswith(FOUND)
    assert "bnlint" not in err
    code, out, err = _run(capsys, "net.py", "--format", "json=/proc/bnlint/a.json")
    assert code == 2
    assert "--format json=/proc/bnlint/a.json: " in err
    assert json.loads((_run(capsys, "net.py", "--format", "json"))[1])["findings"]
