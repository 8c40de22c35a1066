"""``--fix`` changes what was meant: no file outside through a link, no name, mode or owner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bnlint.config import load_settings
from bnlint.fixes import apply

pytestmark = pytest.mark.hostile
pytest.importorskip("libcst")
NET = """
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(self.conv(x))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "bnlint.toml").write_text("")
    monkeypatch.chdir(folder)
    return folder


def fix(path: str) -> apply.Outcome:
    given = {"paths": [path], "fix": True, "unsafe_fixes": True, "cache": False, "select": ["BN3"]}
    return apply.run(load_settings(given))


def test_a_file_outside_is_not_changed_through_a_link(project: Path) -> None:
    outside = project.parent / "outside.py"
    outside.write_text(NET)
    (project / "link.py").symlink_to("../outside.py")
    (refused,) = fix(".").report.refused_fixes
    assert "not named" in refused.reason
    assert outside.read_text() == NET
    assert (project / "link.py").is_symlink()


def test_links_inside_names_and_the_mode_are_kept(project: Path) -> None:
    own, hard, soft = (project / name for name in ("own.py", "hard.txt", "soft.py"))
    own.write_text(NET)
    own.chmod(0o640)
    os.link(own, hard)
    soft.symlink_to("own.py")
    fix("soft.py")
    assert "bias=False" in own.read_text()
    assert soft.is_symlink()
    assert hard.read_text() == own.read_text()
    assert own.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_the_owner_is_kept(project: Path) -> None:
    own = project / "own.py"
    own.write_text(NET)
    os.chown(own, 12345, 12345)
    fix("own.py")
    assert "bias=False" in own.read_text()
    assert (own.stat().st_uid, own.stat().st_gid) == (12345, 12345)
