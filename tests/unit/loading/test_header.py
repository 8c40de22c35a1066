"""The imports that a file begins with, as far as another process may do them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.domain.request import TraceRequest
from bnlint.loading.sharing.header import header_of

BEGINS = '''"""A docstring."""
from __future__ import annotations
import os, yaml
import numpy as np
from numpy import fft, zeros as nothing
from torch import nn
try:
    import timm
except ImportError:
    timm = None
import networkx
'''


def statements(path: Path, text: str) -> tuple[str, ...]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return header_of(TraceRequest(str(path))).statements


def test_imports_of_installed_packages_before_anything_else(tmp_path: Path) -> None:
    assert statements(tmp_path / "net.py", BEGINS) == (
        "import yaml",
        "import numpy",
        "from numpy import fft",
        "from numpy import zeros",
    )


def test_what_the_file_would_find_in_its_own_folder_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").touch()
    assert statements(tmp_path / "net.py", "import yaml\nimport numpy\n") == ("import numpy",)


@pytest.mark.parametrize("text", ["import os\nos.environ['A'] = '1'\n", "import sys; sys.path\n"])
def test_a_package_that_may_change_how_others_are_imported(tmp_path: Path, text: str) -> None:
    package = tmp_path / "pkg"
    assert statements(package / "net.py", "import numpy\n") == ("import numpy",)
    (package / "__init__.py").write_text(text)
    assert statements(package / "net.py", "import numpy\n") == ()


def test_a_file_that_cannot_be_parsed_has_none(tmp_path: Path) -> None:
    assert statements(tmp_path / "net.py", "import numpy\ndef f(:\n") == ()
    assert header_of(TraceRequest(str(tmp_path / "none.py"))).statements == ()
