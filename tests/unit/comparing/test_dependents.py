"""Files that import what changed, and checkpoint files that are only read, never run."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch

from bnlint.comparing.dependents import dependents
from bnlint.comparing.running.checkpoint_file import keys_of_file, wrapper_of

FILES = {
    "pkg/__init__.py": "",
    "pkg/blocks.py": "import torch\n",
    "pkg/sub/net.py": "import torch\nfrom ..blocks import Block\n",
    "pkg/deep.py": "import torch\nfrom pkg.sub import net\n",
    "pkg/other.py": "import torch\nimport blocksworld\n",
    "train.py": "import torch\nimport pkg.blocks as b\n",
    "data.py": "import pkg.blocks\n",
}


def test_imports_are_followed_through_other_files(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = dependents(tmp_path, FILES, ["pkg/blocks.py"])
    assert found == ["pkg/sub/net.py", "train.py", "pkg/deep.py"]


def test_keys_are_found_where_training_code_puts_them(tmp_path: Path) -> None:
    state = {"module.a.weight": torch.zeros(2, 3)}
    torch.save({"epoch": 1, "state_dict": state}, tmp_path / "a.pt")
    keys = keys_of_file(str(tmp_path / "a.pt"))
    assert keys == {"module.a.weight": (2, 3)}
    assert wrapper_of(keys, {"a.weight": None}) == "module."


def test_safetensors_are_read_from_their_header(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    header = json.dumps({"__metadata__": {}, "w": entry}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(24))
    assert keys_of_file(str(path)) == {"w": (2, 3)}
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="no safetensors"):
        keys_of_file(str(path))


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(ValueError, match="cannot be read"):
        keys_of_file(str(tmp_path / "evil.pt"))
    assert not (tmp_path / "ran").exists()
