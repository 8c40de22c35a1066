from __future__ import annotations

import json
from pathlib import Path

from bnlint.config import load_settings
from bnlint.config.load import show_settings
from bnlint.config.settings import OPTIONS


def test_every_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "bnlint.toml").write_text("jobs = 2\n")
    text = show_settings(load_settings({"paths": ["a.py"], "select": ["BN1"]}, tmp_path))
    assert 'select = ["BN1"]  # arguments' in text
    assert "jobs = 2  # bnlint.toml:1" in text
    assert "timeout = 60.0  # default" in text
    assert len(text.splitlines()) == len(OPTIONS) + 2


def test_settings_are_shown_as_they_are_written(tmp_path: Path) -> None:
    tables = {
        "models": {"net.py": ["Net()", {"call": "make(2)", "inputs": ["1x3"]}]},
        "inputs": {"a.py": ["1x3x64x64"], "b.py::Net": ["8x16:int64", "mask=8x16:bool"]},
        "layers": {"acme.Norm": "batchnorm2d"},
        "per-file": {"t/*.py": {"ignore": ["BN1"], "severity": {"BN2": "off"}}},
        "severity": {"BN3": "info"},
    }
    text = "\n".join(
        f"[{name}]\n"
        + "\n".join(f"{json.dumps(key)} = {_toml(value)}" for key, value in table.items())
        for name, table in tables.items()
    )
    (tmp_path / "bnlint.toml").write_text(text)
    given = {"paths": [], "inputs": ["scalar"], "formats": ["json=a.json"]}
    shown = show_settings(load_settings(given, tmp_path)).splitlines()
    for name, table in tables.items():
        assert any(line.startswith(f"{name} = {json.dumps(table)}  # ") for line in shown), name
    assert '--input = ["scalar"]  # arguments' in shown
    assert '--format = ["json=a.json"]  # arguments' in shown


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)
