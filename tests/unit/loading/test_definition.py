"""Where a class is defined: found by its line, or by parsing where several lines could be it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from bnlint.domain.graph import Location
from bnlint.loading.sites import definition_of

ONE = "import abc\n\n\nclass Net:\n    pass\n"
TWO = "class Other:\n    class Net:\n        pass\n\n\nclass Net:\n    pass\n"
NEARLY = "class Network:\n    pass\n\n\nclass Net(Network):\n    pass\n"


@pytest.mark.parametrize(("text", "line"), [(ONE, 4), (TWO, 6), (NEARLY, 5)])
def test_a_class_stands_where_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int
) -> None:
    file = tmp_path / "defined.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("defined", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "defined", module)
    spec.loader.exec_module(module)
    assert definition_of(module.Net) == Location(str(file), line)


def test_a_class_without_source_stands_nowhere() -> None:
    assert definition_of(type("Made", (), {})) is None
    assert definition_of(int) is None
