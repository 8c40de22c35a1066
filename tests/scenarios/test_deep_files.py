"""Files of data that no parser takes end in a message that names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bnlint.config import load_settings
from bnlint.domain.errors import ConfigError
from bnlint.domain.finding import Problem
from bnlint.findings.baseline import read_baseline
from bnlint.models.evidence.configured import _in_file
from bnlint.sources.collect import source_file

pytestmark = pytest.mark.hostile

DEEP = 100_000
DIGITS = "9" * 5000
TOML = {
    "arrays": "a = " + "[" * DEEP + "]" * DEEP,
    "tables": "a = " + "{b=" * 5000 + "1" + "}" * 5000,
    "a long number": f"timeout = {DIGITS}",
    "an open array": "a = " + "[" * 500,
}
JSON = {
    "arrays": "[" * DEEP,
    "objects": '{"a":' * DEEP,
    "a long number": f"[{DIGITS}]",
    "a whole deep document": "[" * 5000 + "]" * 5000,
    "not UTF-8": "\udcff",
    "nothing": "",
}


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@pytest.mark.parametrize("name", TOML)
def test_a_config_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "bnlint.toml", TOML[name])
    with pytest.raises(ConfigError, match=r"bnlint\.toml"):
        load_settings({"paths": ["."]})


@pytest.mark.parametrize("name", JSON)
def test_a_baseline(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"known\.json|not valid JSON"):
        read_baseline(written(tmp_path / "known.json", JSON[name]))


@pytest.mark.parametrize("name", JSON)
def test_a_notebook(name: str, tmp_path: Path) -> None:
    read: Callable[[], bytes] = written(tmp_path / "net.ipynb", JSON[name]).read_bytes
    found = source_file("net.ipynb", read, by_hand=True)
    assert isinstance(found, Problem)
    assert "not a readable notebook" in found.message


@pytest.mark.parametrize("name", JSON)
def test_a_file_that_says_how_a_model_is_built(name: str) -> None:
    assert list(_in_file("net.json", JSON[name])) == []
