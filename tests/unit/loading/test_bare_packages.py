"""Packages of the project that cannot be imported as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bnlint.loading.importing import Imported, import_source
from bnlint.loading.parsing import Source, read
from tests.unit.imported import nothing_stays


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    with nothing_stays():
        yield


def imported(folder: Path, files: dict[str, str], main: str) -> Imported:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    source = read(str(folder / main))
    assert isinstance(source, Source)
    found = import_source(source)
    found.stubs.close()
    return found


def test_modules_of_a_package_that_fails_are_there_when_asked_for(tmp_path: Path) -> None:
    files = {
        "pack/__init__.py": "import pack.constants\nfrom pack.tools import Tool as Kit\n1 / 0\n",
        "pack/constants.py": "WIDTH = 12\n",
        "pack/tools.py": "class Tool: size = 3\n",
        "pack/layers/__init__.py": "",
        "pack/layers/net.py": (
            "import pack\nwidth = pack.constants.WIDTH\nsize = pack.Kit.size\n"
            "inner = pack.layers.__name__\n"
            "missing = hasattr(pack, 'nothing')\n"
        ),
    }
    found = imported(tmp_path, files, "pack/layers/net.py")
    assert found.bare == "pack"
    assert found.failures == ()
    names = vars(found.module)
    assert (names["width"], names["size"], names["missing"]) == (12, 3, False)
    assert names["inner"] == "pack.layers"


def test_a_folder_is_a_package_though_a_module_beside_the_file_is_called_like_it(
    tmp_path: Path,
) -> None:
    files = {
        "models/__init__.py": "",
        "models/utils.py": "from utils.logs import note\n",
        "models/net.py": "from utils.logs import note\nfrom models.utils import note as same\n",
        "utils/logs.py": "def note(): return 7\n",
    }
    found = imported(tmp_path, files, "models/net.py")
    assert found.failures == ()
    names = vars(found.module)
    assert names["note"]() == 7
    assert names["same"] is names["note"]


def test_a_module_that_imports_its_names_late_may_fail_then(tmp_path: Path) -> None:
    files = {
        "lazy_one.py": (
            "def __getattr__(name):\n"
            "    if name.startswith('__'):\n        raise AttributeError(name)\n"
            "    raise ModuleNotFoundError(name + ' cannot be imported')\n"
        ),
        "net.py": "from lazy_one import Model\nwidth = 3\n",
    }
    found = imported(tmp_path, files, "net.py")
    assert vars(found.module)["width"] == 3
    assert len(found.failures) == 1
