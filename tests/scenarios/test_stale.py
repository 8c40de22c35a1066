"""A cached result is never stale: each trial changes one thing that a file was built from."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bnlint.config import load_settings
from bnlint.domain.finding import Report
from bnlint.isolation.pool import Pool
from bnlint.pipeline.run import Means, check_whole

pytestmark = pytest.mark.hostile

NET = """
import torch.nn as nn
{}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, bias=not_needed)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.norm(self.conv(x))
"""
CLEAN = "width, not_needed = 4, False\n"
BIASED = "width, not_needed = 4, True\n"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1, 60, 4 << 30) as pool:
        yield pool


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("")
    return tmp_path


def said(report: Report) -> list[tuple[object, ...]]:
    found = [(f.rule, f.layer, f.location.line) for f in report.findings]
    return [*found, *((p.kind, p.message) for p in report.problems)]


def lint(pool: Pool | None, cache: bool = True, path: str = "net.py") -> list[tuple[object, ...]]:
    settings = load_settings({"paths": [path], "cache": cache})
    return said(check_whole(settings, Means(tracer=pool.trace if pool else None))[0])


def write(path: str, text: str) -> None:
    """Write a file that is older than the runs, as a user's files are."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    os.utime(path, (1_000_000_000, 1_000_000_000))


Change = Callable[[], None]


def helper(text: str) -> Change:
    return lambda: write("helper.py", text)


def version_database(path: str, number: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"pragma user_version = {number}")


TRIALS: dict[str, tuple[str, dict[str, str], Change]] = {
    "a helper changes": ("from helper import *", {"helper.py": CLEAN}, helper(BIASED)),
    "a helper that raised is mended": (
        "from helper import *", {"helper.py": "1 / 0"}, helper(BIASED)),
    "a helper of a helper that raised is mended": (
        "from first import *",
        {"first.py": "from helper import *\n", "helper.py": "1 / 0"}, helper(BIASED)),
    "a helper with a syntax error is mended": (
        "from helper import *", {"helper.py": "width = ("}, helper(BIASED)),
    "a missing helper is written": ("from helper import *", {}, helper(BIASED)),
    "a package that failed is mended": (
        "from kit import *", {"kit/__init__.py": "1 / 0"},
        lambda: write("kit/__init__.py", BIASED)),
    "a package gets its __init__.py": (
        "from kit.sizes import *", {"kit/sizes.py": CLEAN},
        lambda: write("kit/__init__.py", "import kit.sizes\nkit.sizes.not_needed = True\n")),
    "an optional module appears": (
        "try:\n    from extra import *\nexcept ImportError:\n    width, not_needed = 4, False\n",
        {}, lambda: write("extra.py", BIASED)),
    "an optional submodule appears": (
        "try:\n    from kit.extra import *\nexcept ImportError:\n"
        "    width, not_needed = 4, False\n",
        {"kit/__init__.py": ""}, lambda: write("kit/extra.py", BIASED)),
    "a stubbed package appears": (
        "import sizes_of_mine\nwidth, not_needed = 4, bool(getattr(sizes_of_mine, '__file__', 0))",
        {}, lambda: write("sizes_of_mine.py", "")),
    "a nearer module appears": (
        "import sys\nsys.path.append(__file__.rpartition('/')[0] + '/far')\nfrom helper import *",
        {"far/helper.py": CLEAN}, helper(BIASED)),
    "a data file changes": (
        "import json\nwidth, not_needed = json.load(open(__file__[:-6] + 'd.json'))",
        {"d.json": "[4, false]"}, lambda: write("d.json", "[4, true]")),
    "a data file read with pathlib changes": (
        "import json, pathlib\n"
        "width, not_needed = json.loads((pathlib.Path(__file__).parent / 'd.json').read_text())",
        {"d.json": "[4, false]"}, lambda: write("d.json", "[4, true]")),
    "a data file read by the system's own calls changes": (
        "import os\nwidth, not_needed = 4, os.read(os.open(__file__[:-6] + 'd', 0), 9) == b'yes'",
        {"d": "no"}, lambda: write("d", "yes")),
    "a data file read by a library that was loaded before changes": (
        "import numpy\nwidth, not_needed = 4, numpy.loadtxt(__file__[:-6] + 'd') == 1",
        {"d": "0"}, lambda: write("d", "1")),
    "a link leads to another file": (
        "import os\nwidth, not_needed = 4, os.readlink(__file__[:-6] + 'd') == 'b'",
        {"a": "", "b": ""}, lambda: (Path("d").unlink(), Path("d").symlink_to("b"))),
    "a program that is started says something else": (
        "import subprocess\n"
        "width, not_needed = 4, subprocess.check_output(['cat', __file__[:-6] + 'd']) == b'yes'",
        {"d": "no"}, lambda: write("d", "yes")),
    "a folder gets a hidden file": (
        "import os\nwidth, not_needed = 4, '.biased' in os.listdir(__file__[:-6])",
        {}, lambda: write(".biased", "")),
    "a data file appears": (
        "import os\nwidth, not_needed = 4, os.path.exists(__file__[:-6] + 'flag')",
        {}, lambda: write("flag", "")),
    "a data file that could not be opened appears": (
        "try:\n    open(__file__[:-6] + 'flag')\n    width, not_needed = 4, True\n"
        "except OSError:\n    width, not_needed = 4, False\n",
        {}, lambda: write("flag", "")),
    "a file becomes longer": (
        "import os\nwidth, not_needed = 4, os.path.getsize(__file__[:-6] + 'd') > 3",
        {"d": "no"}, lambda: write("d", "much longer")),
    "a file whose status is read becomes newer": (
        "import pathlib\n"
        "width, not_needed = 4, pathlib.Path(__file__[:-6] + 'd').stat().st_mtime > 1.1e9",
        {"d": ""}, lambda: os.utime("d", (1_200_000_000, 1_200_000_000))),
    "a file can be executed": (
        "import os\nwidth, not_needed = 4, os.access(__file__[:-6] + 'd', os.X_OK)",
        {"d": ""}, lambda: os.chmod("d", 0o755)),
    "a database that is named by its address changes": (
        "import sqlite3\nread = sqlite3.connect(f'file:{__file__[:-6]}d?mode=ro', uri=True)\n"
        "width, not_needed = 4, bool(read.execute('pragma user_version').fetchone()[0])",
        {"d": ""}, lambda: version_database("d", 1)),
    "a folder gets another file": (
        "import glob\nwidth, not_needed = 4, len(glob.glob(__file__[:-6] + 'parts/*.txt')) > 1",
        {"parts/a.txt": ""}, lambda: write("parts/b.txt", "")),
    "a call of the model is written in another file": (
        "",
        {"net.py": NET.format("").replace("__init__(self)", "__init__(self, width, not_needed)")},
        lambda: write("train.py", "from net import Net\nnet = Net(6, not_needed=True)\n")),
    "a file is deleted": (
        "try:\n    from extra import *\nexcept ImportError:\n    width, not_needed = 4, True\n",
        {"extra.py": CLEAN}, lambda: Path("extra.py").unlink()),
}  # fmt: skip


@pytest.mark.parametrize("name", TRIALS)
def test_what_changed_is_seen(name: str, pool: Pool, project: Path) -> None:
    code, files, change = TRIALS[name]
    write("net.py", NET.format(code))
    for path, text in files.items():
        write(path, text)
    if "link" in name:
        Path("d").symlink_to("a")
    before = lint(pool)
    if "program" not in name:  # whose result is not kept
        assert lint(None) == before  # a worker would be started only for what is not kept
    change()
    after = lint(pool)
    assert after == lint(pool, cache=False)
    assert after != before


def test_what_did_not_change_is_kept(pool: Pool, project: Path) -> None:
    asks = "import os\nos.path.exists(__file__[:-6] + 'asked.txt')\n"
    write("net.py", NET.format(f"{asks}from helper import *"))
    write("helper.py", "1 / 0")
    for name in ("unrelated.txt", "asked.txt"):
        write(name, "")
    before = lint(pool)
    for name in ("unrelated.txt", "asked.txt", "helper.py"):
        os.utime(name)
    for name in ("unrelated.txt", "asked.txt"):
        write(name, "nobody reads this")

    def never(_: object) -> Iterator[object]:
        raise AssertionError("nothing has changed")

    settings = load_settings({"paths": ["net.py"]})
    assert said(check_whole(settings, Means(tracer=never))[0]) == before  # type: ignore[arg-type]


def test_variables_and_search_paths(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, asked in enumerate(("in os.environ", "in [*os.environ]", "in os.environb")):
        name = "b'BIASED'" if asked.endswith("b") else "'BIASED'"
        code = f"import os\nwidth, not_needed = 4, {name} {asked}"
        write(f"nets/net{number}.py", NET.format(code))
    assert lint(None, path="nets") == []
    monkeypatch.setenv("BIASED", "1")
    assert [rule for rule, *_ in lint(None, path="nets")] == ["BN301"] * 3
    monkeypatch.delenv("BIASED")
    assert lint(None, path="nets") == []
    write("net.py", NET.format("from helper import *"))
    for folder, text in (("one", CLEAN), ("two", BIASED)):
        write(f"{folder}/helper.py", text)
    monkeypatch.setenv("PYTHONPATH", str(project / "one"))
    assert lint(None) == []
    monkeypatch.setenv("PYTHONPATH", str(project / "two"))
    assert [rule for rule, *_ in lint(None)] == ["BN301"]


@pytest.mark.parametrize("body", ["[3,{},[1]]", "[3,{},null]", "[3,3,4]", "[[[[", "{}", "[3,{}]"])
def test_a_forged_entry_is_a_miss(body: str, pool: Pool, project: Path) -> None:
    from bnlint.cache import Store

    write("net.py", NET.format(BIASED))
    before = lint(pool)
    cache = project / ".bnlint_cache"
    for path in list(cache.glob("??/*")):
        Store(cache).put(path.parent.name + path.name, zlib.compress(body.encode()))
    assert lint(pool) == before
