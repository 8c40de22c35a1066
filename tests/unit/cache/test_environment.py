from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bnlint.cache import Store, environment, torch_version
from bnlint.domain import VERSION

ROOT = Path(__file__).parents[3]


def test_the_version_of_torch_is_read_and_torch_is_not_imported() -> None:
    code = (
        "import sys; from bnlint.cache import Store, environment, torch_version;"
        "environment(Store(None));"
        "print(torch_version(), 'torch' in sys.modules, 'importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    version, *imported = done.stdout.split()
    assert version.startswith("2.")
    assert imported == ["False", "False"]


def test_the_first_torch_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "version.py").write_text("x = 1\n__version__ = '9.8.7+cu1'\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert torch_version() == "9.8.7+cu1"
    monkeypatch.setattr(sys, "path", [])
    assert torch_version() == ""


def test_an_installed_package_changes_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site-packages"
    (folder / "timm-1.0.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    store = Store(tmp_path / "cache")
    before = environment(store)
    assert environment(store) == environment(Store(None)) == before
    (folder / "timm-1.0.0.dist-info" / "RECORD").write_text("timm/layers.py,sha256=a,9\n")
    reinstalled = environment(store)
    assert reinstalled == environment(Store(None)) != before
    (folder / "timm-1.0.0.dist-info").rename(folder / "timm-1.0.1.dist-info")
    assert environment(store) not in (before, reinstalled)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    searched = environment(store)
    (folder / "mine.pth").write_text("/elsewhere\n")
    assert environment(store) != searched


def test_what_installers_recorded_is_read_again_only_if_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "site-packages" / "timm-1.0.0.dist-info" / "RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("timm/layers.py,sha256=a,9\n")
    monkeypatch.setattr(sys, "path", [str(record.parents[1])])
    store, read = Store(tmp_path / "cache"), []
    module = sys.modules["bnlint.cache.environment"]
    monkeypatch.setattr(module, "file_digest", lambda path: read.append(path) or "x")
    environment(store)
    environment(store)
    assert read == [str(record)]
    record.write_text("timm/layers.py,sha256=b,10\n")
    environment(store)
    assert read == [str(record)] * 2


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
