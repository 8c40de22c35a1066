"""Code that may not write goes on as if it had written."""

from __future__ import annotations

import builtins
import errno
import io
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from bnlint.loading.unwritten import Unwritten

CHANGING = ("mkdir", "listdir", "remove", "unlink", "rmdir", "rename", "replace", "symlink")


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing may be written, as in the sandbox."""
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    def refusing(plain: Any, writes: Any = lambda *_: True) -> Any:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            if str(path).startswith(str(folder)) and writes(*args) and os.path.dirname(path):
                parent = os.path.dirname(os.path.abspath(path))
                code = errno.EACCES if os.path.isdir(parent) else errno.ENOENT
                raise OSError(code, "refused", str(path))
            return plain(path, *args, **kwargs)

        return call

    for name in CHANGING:
        plain = getattr(os, name)
        monkeypatch.setattr(os, name, plain if name == "listdir" else refusing(plain))
    for name in ("link", "chmod", "utime"):
        monkeypatch.setattr(os, name, getattr(os, name))
    monkeypatch.setattr(torch, "save", torch.save)
    opening = refusing(open, lambda mode="r", *_: bool(set(mode) & set("wax+")))
    monkeypatch.setattr(builtins, "open", opening)
    monkeypatch.setattr(io, "open", opening)
    Unwritten().install()
    return folder


def test_folders_and_files_that_may_not_be_written_are_lost(locked: Path) -> None:
    run = locked / "logs" / "run"
    os.makedirs(run)
    assert os.listdir(run) == []
    Path(run, "deeper").mkdir(parents=True, exist_ok=True)
    with open(run / "config.txt", "w") as file:
        file.write("lost")
    logging.FileHandler(run / "a.log").close()
    torch.save({}, run / "weights.pt")
    os.remove(locked / "old.txt")
    os.rename(locked / "old.txt", locked / "new.txt")
    assert sorted(os.listdir(locked)) == ["old.txt"]
    assert (locked / "old.txt").read_text() == "old"


def test_what_may_be_written_is(locked: Path, tmp_path: Path) -> None:
    free = tmp_path / "free"
    os.makedirs(free / "logs")
    (free / "logs" / "a.txt").write_text("kept")
    torch.save({"a": 1}, free / "a.pt")
    shutil.move(str(free / "logs" / "a.txt"), str(free / "b.txt"))
    assert sorted(os.listdir(free)) == ["a.pt", "b.txt", "logs"]


def test_other_errors_are_the_codes_own(locked: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        os.mkdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        (tmp_path / "nowhere" / "a.txt").write_text("")
    with pytest.raises(FileNotFoundError):
        os.listdir(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        os.remove(tmp_path / "nowhere")
    assert not Unwritten().loses(OSError(errno.ENOENT, "not there"), 3)
