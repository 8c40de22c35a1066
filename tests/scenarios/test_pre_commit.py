"""The hooks, run by pre-commit itself against a throw-away repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pre_commit")

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
BAD = """\
from torch import nn

net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
"""
GOOD = BAD.replace("8, 3)", "8, 3, bias=False)")
WITHOUT_MODELS = {
    "script.py": "import sys, torch\nsys.exit('usage: script.py DATA')\n",
    "missing.py": "import torch\nfrom no_such_package_at_all import x\nx.y(torch)\n",
    "plain.py": "print('hello')\n",
    "functions.py": "import torch\n\n\ndef double(x: torch.Tensor):\n    return 2 * x\n",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Commands of this interpreter first, a cache of pre-commit's own, nothing of the user's."""
    commands = tmp_path / "bin"
    commands.mkdir()
    command = commands / "bnlint"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bnlint "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "PATH": os.pathsep.join((str(commands), str(Path(sys.executable).parent), os.defpath)),
        "PYTHONPATH": str(ROOT),
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": f"a{at}" for who in ("AUTHOR", "COMMITTER")
           for what, at in (("NAME", ""), ("EMAIL", "@b.c"))},
    }  # fmt: skip


def _run(
    folder: Path, environment: dict[str, str], *command: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def _repository(folder: Path, environment: dict[str, str], *files: str) -> Path:
    """A repository whose only commit holds these files."""
    folder.mkdir(exist_ok=True)
    _run(folder, environment, "git", "init", "-q")
    _run(folder, environment, "git", "add", *files)
    done = _run(folder, environment, "git", "commit", "-qm", "first")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def hooks(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A repository that offers the hooks of this checkout."""
    folder = tmp_path / "hooks"
    folder.mkdir()
    shutil.copy(MANIFEST, folder)
    return _repository(folder, environment, MANIFEST.name)


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str], hooks: Path) -> Path:
    """A repository that commits only what the hook for its own environment lets pass."""
    folder = tmp_path / "project"
    folder.mkdir()
    head = _run(hooks, environment, "git", "rev-parse", "HEAD").stdout.strip()
    (folder / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {hooks.as_uri()}\n  rev: {head}\n  hooks:\n  - id: bnlint-system\n"
    )
    (folder / "bnlint.toml").write_text('select = ["BN301"]\nexclude = ["old"]\n')
    _repository(folder, environment, ".pre-commit-config.yaml", "bnlint.toml")
    done = _run(folder, environment, sys.executable, "-m", "pre_commit", "install")
    assert done.returncode == 0, done.stdout
    return folder


def _commit(
    project: Path, environment: dict[str, str], **files: str
) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    _run(project, environment, "git", "add", ".")
    return _run(project, environment, "git", "commit", "-m", "next")


def _commits(project: Path, environment: dict[str, str]) -> int:
    return int(_run(project, environment, "git", "rev-list", "--count", "HEAD").stdout)


def test_a_commit_with_a_finding_is_stopped_and_a_good_one_is_not(
    project: Path, environment: dict[str, str]
) -> None:
    done = _commit(project, environment, **{"net.py": BAD})
    assert done.returncode == 1
    assert "net.py:3:21: BN301 warning" in done.stdout + done.stderr
    assert _commits(project, environment) == 1
    done = _commit(project, environment, **{"net.py": GOOD})
    assert done.returncode == 0, done.stdout + done.stderr
    assert _commits(project, environment) == 2


def test_files_without_models_and_excluded_ones_stop_no_commit(
    project: Path, environment: dict[str, str]
) -> None:
    done = _commit(project, environment, **WITHOUT_MODELS, **{"old/net.py": BAD})
    assert done.returncode == 0, done.stdout + done.stderr
    assert _commits(project, environment) == 2


def test_a_mistake_in_the_configuration_stops_the_commit(
    project: Path, environment: dict[str, str]
) -> None:
    done = _commit(project, environment, **{"net.py": GOOD, "bnlint.toml": 'selct = ["BN3"]\n'})
    assert done.returncode == 1
    assert "unknown setting 'selct'" in done.stdout + done.stderr


def test_a_commit_that_breaks_a_checkpoint_is_stopped(
    project: Path, environment: dict[str, str], hooks: Path
) -> None:
    config = project / ".pre-commit-config.yaml"
    config.write_text(config.read_text().replace("bnlint-system", "bnlint-compare"))
    assert _commit(project, environment, **{"net.py": GOOD}).returncode == 0
    done = _commit(project, environment, **{"net.py": GOOD.replace("nn.ReLU()", "nn.GELU()")})
    assert done.returncode == 0, done.stdout + done.stderr
    done = _commit(
        project, environment, **{"net.py": GOOD.replace("nn.Conv", "nn.ReLU(), nn.Conv")}
    )
    assert done.returncode == 1
    assert "with the key map, all old weights load" in done.stdout + done.stderr
    assert _commits(project, environment) == 3


def test_the_manifest_is_valid(environment: dict[str, str]) -> None:
    command = (sys.executable, "-m", "pre_commit", "validate-manifest", str(MANIFEST))
    done = _run(ROOT, environment, *command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif("BNLINT_TEST_INSTALL" not in os.environ, reason="installs torch")
def test_the_hook_that_installs_finds_the_same(
    tmp_path: Path, environment: dict[str, str], project: Path
) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".venv", ".git", ".*cache*", "__pycache__", "tests")
    shutil.copytree(ROOT, source, ignore=ignored)
    _repository(source, environment, ".")
    (project / "net.py").write_text(BAD)
    _run(project, environment, "git", "add", "net.py")
    command = (sys.executable, "-m", "pre_commit", "try-repo", str(source), "bnlint")
    environment = {k: v for k, v in environment.items() if k != "PYTHONPATH"}
    environment["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    done = _run(project, environment, *command, "--files", "net.py")
    assert done.returncode == 1
    assert "net.py:3:21: BN301 warning" in done.stdout, done.stdout + done.stderr
