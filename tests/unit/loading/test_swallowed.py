"""Imports of missing packages that fail without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bnlint.loading.importing import import_source
from bnlint.loading.missing.state_spaces import selective_scan
from bnlint.loading.parsing import Source, read
from tests.unit.imported import nothing_stays

SCAN = "    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn\n"
WITHOUT = "    selective_scan_fn = None\n"


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Callable[[str], dict[str, object]]]:
    """What a file defines; nothing of it stays in the process."""

    def of(text: str) -> dict[str, object]:
        path = tmp_path / "net.py"
        path.write_text(text, encoding="utf-8")
        source = read(str(path))
        assert isinstance(source, Source)
        imported = import_source(source)
        imported.stubs.close()
        return vars(imported.module)

    with nothing_stays():
        yield of


@pytest.mark.parametrize("handler", ["    pass\n", "    print('it is not installed')\n"])
def test_names_that_would_stay_undefined_are_provided(
    names: Callable[[str], dict[str, object]], handler: str
) -> None:
    found = names(f"try:\n{SCAN}except ImportError:\n{handler}")
    assert found["selective_scan_fn"] is selective_scan


@pytest.mark.parametrize(
    "text",
    [
        f"try:\n{SCAN}except ImportError:\n{WITHOUT}",
        "try:\n    from mamba_ssm import Mamba, of_no_release\nexcept ImportError:\n    pass\n",
        "try:\n    from of_nobody import Layer\nexcept ImportError:\n    pass\n",
    ],
    ids=["a fallback", "a name that is not known", "another package"],
)
def test_what_a_file_says_of_a_missing_package_holds(
    names: Callable[[str], dict[str, object]], text: str
) -> None:
    found = names(text)
    assert found.get("selective_scan_fn") is None
    assert not {"Mamba", "Layer"} & found.keys()
