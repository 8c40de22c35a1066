"""The rules are found from a wheel, from an editable install and in a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = sorted(path.name for path in (ROOT / "rules").glob("BN*.yaml"))
WHERE = """
from bnlint.engine.catalogue import built_in_files, load_rules
files = built_in_files()
assert load_rules(files)
print(files[0].parent)
print(*sorted(f.name for f in files), sep="\\n")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, as an install lays it out."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(ROOT)], check=True, timeout=300)
    (built,) = folder.glob("bnlint-*.whl")
    site = folder / "site"
    zipfile.ZipFile(built).extractall(site)
    return site


def run(path: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python that finds bnlint at ``path`` first, started in ``folder``."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_wheel_holds_its_rules(wheel: Path, tmp_path: Path) -> None:
    place, *names = run(wheel, tmp_path, "-c", WHERE).stdout.splitlines()
    assert Path(place) == wheel / "bnlint" / "rules"
    assert names == RULES


def test_a_checkout_finds_its_rules(tmp_path: Path) -> None:
    place, *names = run(ROOT, tmp_path, "-c", WHERE).stdout.splitlines()
    assert Path(place) == ROOT / "rules"
    assert names == RULES


def test_an_install_finds_rules(tmp_path: Path) -> None:
    """Whatever way it was installed, editable or not."""
    done = run(tmp_path, tmp_path, "-c", WHERE)
    assert done.stdout.splitlines()[1:] == RULES, done.stderr


def test_a_wheel_lints(wheel: Path, tmp_path: Path) -> None:
    """Tables, templates and the worker come along."""
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())\n"
    )
    done = run(wheel, tmp_path, "-m", "bnlint", "--isolated", "--no-cache", "net.py")
    assert done.returncode == 1, done.stderr
    assert "BN301" in done.stdout
    quick = ("-m", "bnlint", "--isolated", "--no-cache", "net.py", "--format")
    assert '"rule": "BN301"' in run(wheel, tmp_path, *quick, "json").stdout
    page = run(wheel, tmp_path, *quick, "html").stdout
    assert "function growTree(" in page
    assert "prefers-color-scheme" in page


def test_the_wheel_is_typed(wheel: Path) -> None:
    assert (wheel / "bnlint" / "py.typed").is_file()
