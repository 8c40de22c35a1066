from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from bnlint.loading.parsing import overlaid


@pytest.mark.parametrize(
    "first", ["", "# -*- coding: latin-1 -*-\n", "#!python\n# coding=latin-1\n"]
)
def test_a_text_stands_in_for_a_file_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    file = tmp_path / "overlaid_module.py"
    file.write_bytes(f"{first}value = 'old é'\n".encode("latin-1" if first else "utf-8"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    try:
        module = importlib.import_module("overlaid_module")  # leaves bytecode behind
        assert module.value == "old é"
        del sys.modules["overlaid_module"]
        with overlaid([(str(file), f"{first}value = 'new é'\n")]):
            module = importlib.import_module("overlaid_module")
        assert module.value == "new é"
        del sys.modules["overlaid_module"]
        assert importlib.import_module("overlaid_module").value == "old é"
    finally:
        sys.modules.pop("overlaid_module", None)
