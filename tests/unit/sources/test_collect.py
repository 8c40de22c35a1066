from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.domain.finding import ProblemKind
from bnlint.sources import FileSearch, Sources, collect

NET = "import torch.nn as nn\n"


def _search(folder: Path, **changes: object) -> FileSearch:
    return FileSearch(folder, folder, **changes)  # type: ignore[arg-type]


def _paths(sources: Sources) -> list[str]:
    return [file.path for file in sources.files]


def _write(folder: Path, *names: str, text: str = NET) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_folders_are_searched_in_order_without_the_usual_junk(tmp_path: Path) -> None:
    _write(tmp_path, "b.py", "a.py", "sub/c.py", "sub/notes.txt")
    _write(tmp_path, ".venv/x.py", "node_modules/x.py", "build/x.py", "__pycache__/x.py")
    _write(tmp_path, "plain.py", text="print('nothing of ours')\n")
    sources = collect(["."], _search(tmp_path))
    assert _paths(sources) == ["a.py", "b.py", "sub/c.py"]
    assert sources.skipped == ("plain.py",)
    assert sources.problems == sources.by_hand == ()


def test_a_file_in_an_excluded_folder_can_be_named_by_hand(tmp_path: Path) -> None:
    _write(tmp_path, "build/net.py", "old/net.py")
    arguments = ["build/net.py", "old/net.py"]
    sources = collect(arguments, _search(tmp_path, exclude=("old",)))
    assert _paths(sources) == ["build/net.py", "old/net.py"]
    assert all(file.named_by_hand for file in sources.files)
    forced = collect(arguments, _search(tmp_path, exclude=("old",), force_exclude=True))
    assert _paths(forced) == ["build/net.py"]
    assert forced.problems == ()


@pytest.mark.parametrize("glob", ["old", "old/", "*_test.py", "pkg/sub", "pkg/*/deep.py"])
def test_excludes_match_names_and_paths_from_the_root(tmp_path: Path, glob: str) -> None:
    _write(tmp_path, "a.py", "old/b.py", "net_test.py", "pkg/sub/c.py", "pkg/other/deep.py")
    every = set(_paths(collect(["."], _search(tmp_path))))
    left = set(_paths(collect(["."], _search(tmp_path, exclude=(glob,)))))
    gone = {
        "old": {"old/b.py"},
        "old/": {"old/b.py"},
        "*_test.py": {"net_test.py"},
        "pkg/sub": {"pkg/sub/c.py"},
        "pkg/*/deep.py": {"pkg/other/deep.py"},
    }[glob]
    assert every - left == gone


def test_globs_targets_and_repetitions_make_one_file_each(tmp_path: Path) -> None:
    _write(tmp_path, "models/a.py", "models/b.py")
    arguments = ["models/*.py", "models/a.py::Net(3, 10)", "./models/a.py::build()", "models"]
    sources = collect(arguments, _search(tmp_path))
    assert _paths(sources) == ["models/a.py", "models/b.py"]
    first, second = sources.files
    assert first.targets == ("Net(3, 10)", "build()")
    assert (first.named_by_hand, second.named_by_hand) == (True, False)
    assert sources.by_hand == ("models/a.py",)


def test_a_target_is_checked_even_where_torch_is_not_mentioned(tmp_path: Path) -> None:
    _write(tmp_path, "a.py", text="from lib import Net\n")
    assert _paths(collect(["."], _search(tmp_path))) == []
    assert _paths(collect(["a.py"], _search(tmp_path, sift=True))) == []
    assert _paths(collect(["a.py::Net"], _search(tmp_path, sift=True))) == ["a.py"]


def test_layers_may_come_from_a_package_of_ones_own(tmp_path: Path) -> None:
    text = "from layers import Module\nclass Net(Module):\n    {}\n"
    _write(tmp_path, "named.py", text=text.format("depth = 3"))
    _write(tmp_path, "found.py", text=text.format("def forward(self, x): ..."))
    assert _paths(collect(["named.py"], _search(tmp_path))) == ["named.py"]
    assert _paths(collect(["."], _search(tmp_path))) == ["found.py"]


def test_notebooks_are_found_in_folders_and_by_globs(tmp_path: Path) -> None:
    notebook = json.dumps({"cells": [{"cell_type": "code", "source": NET}]})
    _write(tmp_path, "a.ipynb", "sub/b.ipynb", ".ipynb_checkpoints/c.ipynb", text=notebook)
    _write(tmp_path, "broken.ipynb", text="{")
    sources = collect(["."], _search(tmp_path))
    assert _paths(sources) == ["a.ipynb", "sub/b.ipynb"]
    assert {(file.text, file.cells) for file in sources.files} == {(NET, ((1, 1),))}
    (problem,) = sources.problems
    assert (problem.kind, problem.file) == (ProblemKind.UNREADABLE, "broken.ipynb")
    assert "notebook" in problem.message
    assert _paths(collect(["sub/*.ipynb"], _search(tmp_path))) == ["sub/b.ipynb"]


def test_a_notebook_of_another_language(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": "library(torch)"}]
    text = json.dumps({"cells": cells, "metadata": {"kernelspec": {"language": "R"}}})
    _write(tmp_path, "r.ipynb", text=text)
    assert collect(["."], _search(tmp_path)).skipped == ("r.ipynb",)
    (problem,) = collect(["r.ipynb"], _search(tmp_path)).problems
    assert "not for Python" in problem.message


def test_installed_modules_are_found_and_not_imported(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    _write(tmp_path, "pkg/__init__.py", text="raise RuntimeError('imported')\n")
    _write(tmp_path, "pkg/net.py")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (file,) = collect(["pkg.net::Net(1)"], _search(elsewhere)).files
    assert (file.path, file.module) == ((tmp_path / "pkg/net.py").as_posix(), "pkg.net")
    assert file.targets == ("Net(1)",)
    assert "pkg.net" in collect(["pkg.net::Net(1)"], _search(elsewhere)).by_hand  # 2 if it fails
    (problem,) = collect(["pkg.net"], _search(elsewhere)).problems
    assert problem.hint == "name a model in it: pkg.net::Name"
    assert "pkg" not in sys.modules


@pytest.mark.parametrize(
    ("argument", "message", "hint"),
    [
        ("nte.py", "there is no such file or folder", "did you mean 'net.py'?"),
        ("no/where.py", "there is no such file or folder", "there is no folder no either"),
        ("x*.py", "no file matches this glob", "quote it, or check the folder"),
        ("no.module::Net", "there is no file and no installed module 'no.module'", ""),
        ("nte.py::Net", "there is no such file or folder", "did you mean 'net.py'?"),
    ],
)
def test_what_does_not_exist_is_a_problem_and_the_rest_goes_on(
    tmp_path: Path, argument: str, message: str, hint: str
) -> None:
    _write(tmp_path, "net.py")
    sources = collect([argument, "net.py"], _search(tmp_path))
    (problem,) = sources.problems
    assert (problem.kind, problem.message, problem.hint, problem.blocking) == (
        ProblemKind.NOT_FOUND,
        message,
        hint,
        True,
    )
    assert problem.file in sources.by_hand
    assert _paths(sources) == ["net.py"]


def test_standard_input_stands_for_a_path(tmp_path: Path) -> None:
    search = _search(tmp_path, stdin=lambda: b"import torch\n", stdin_filename="pkg/net.py")
    (file,) = collect(["-"], search).files
    assert (file.path, file.text, file.buffer) == ("pkg/net.py", "import torch\n", True)


def test_encodings_are_read_as_python_does(tmp_path: Path) -> None:
    latin = "# -*- coding: latin-1 -*-\nimport torch  # größe\n"
    (tmp_path / "latin.py").write_bytes(latin.encode("latin-1"))
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbfimport torch\r\nx = 1\r\n")
    bom, told = collect(["."], _search(tmp_path)).files
    assert told.text == latin
    assert bom.text == "import torch\nx = 1\n"
    assert bom.digest == hashlib.sha256((tmp_path / "bom.py").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "data",
    [
        b"import torch  # gr\xf6\xdfe\n",
        *(b"# coding: %s\nimport torch\n" % name for name in (b"klingon", b"utf-16", b"hex")),
        b"# coding: undefined\nimport torch\n",
        "import torch\n".encode("utf-16"),
    ],
)
def test_unreadable_encodings_are_problems(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.py").write_bytes(data)
    (problem,) = collect(["a.py"], _search(tmp_path)).problems
    assert problem.kind is ProblemKind.UNREADABLE
    assert problem.blocking


def test_a_file_that_vanishes_or_may_not_be_read_is_a_problem(tmp_path: Path) -> None:
    os.symlink(tmp_path / "gone", tmp_path / "loose.py")
    sources = collect(["."], _search(tmp_path))
    (problem,) = sources.problems
    assert problem.kind is ProblemKind.UNREADABLE
    assert problem.file == "loose.py"


def test_what_git_ignores_is_left_out_of_searches(tmp_path: Path) -> None:
    git = ["git", "-c", "init.defaultBranch=main", "init", "-q"]
    subprocess.run(git, cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("generated/\n*_gen.py\n!keep_gen.py\n")
    _write(tmp_path, "a.py", "generated/b.py", "c_gen.py", "keep_gen.py", "sub/d_gen.py")
    assert _paths(collect(["."], _search(tmp_path))) == ["a.py", "keep_gen.py"]
    assert _paths(collect(["sub/d_gen.py"], _search(tmp_path))) == ["sub/d_gen.py"]


def test_standard_input_is_shown_like_the_file_it_stands_for(tmp_path: Path) -> None:
    search = FileSearch(tmp_path, tmp_path, ("old",), stdin=lambda: b"import torch\n")
    named = replace(search, stdin_filename=str(tmp_path / "a" / ".." / "net.py"))
    assert [f.path for f in collect(["-"], named).files] == ["net.py"]
    excluded = replace(search, stdin_filename="old/net.py")
    assert [f.path for f in collect(["-"], excluded).files] == ["old/net.py"]
    assert collect(["-"], replace(excluded, force_exclude=True)).files == ()


def test_what_is_neither_a_file_nor_a_folder_is_not_said_to_be_missing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (problem,) = collect(["pipe"], FileSearch(tmp_path, tmp_path)).problems
    assert problem.message == "is neither a file nor a folder"
    assert "bnlint - < PIPE" in problem.hint
