from __future__ import annotations

from pathlib import Path

from bnlint.config import load_settings
from bnlint.config.settings import OPTIONS
from bnlint.config.show import show_settings


def test_every_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "bnlint.toml").write_text("jobs = 2\n")
    text = show_settings(load_settings({"paths": ["a.py"], "select": ["BN1"]}, tmp_path))
    assert 'select = ["BN1"]  # arguments' in text
    assert "jobs = 2  # bnlint.toml:1" in text
    assert "timeout = 60.0  # default" in text
    assert len(text.splitlines()) == len(OPTIONS) + 2
