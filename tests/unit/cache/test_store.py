from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from bnlint.cache import Store, digest, load, save
from bnlint.cache.dependencies import file_digest
from bnlint.domain.request import Consulted, ModelSpec


def test_what_is_put_can_be_got(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    key = digest("a", b"b")
    assert store.get(key) is None
    assert store.put(key, b"body\nwith lines\n")
    assert store.get(key) == b"body\nwith lines\n"
    assert (tmp_path / "cache" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / "cache" / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d")


def test_the_digest_knows_where_a_part_ends() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("é") == digest("é".encode())


def test_no_folder_keeps_nothing() -> None:
    store = Store(None)
    assert not store.put("ab" * 32, b"x")
    assert store.get("ab" * 32) is None
    assert store.trim() == 0


def test_torn_foreign_and_empty_entries_count_as_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = digest("k")
    store.put(key, b"0123456789")
    path = tmp_path / key[:2] / key[2:]
    whole = path.read_bytes()
    for broken in (whole[:-1], whole[: len(whole) // 2], b"", b"\xff\n", whole + b"x"):
        path.write_bytes(broken)
        assert store.get(key) is None
    assert store.put(key, b"new")
    assert store.get(key) == b"new"


def test_a_folder_that_cannot_be_written_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "cache")
    assert not store.put(digest("k"), b"x")
    assert store.get(digest("k")) is None


def test_old_entries_are_dropped_once_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(digest("old"), b"old")
    store.put(digest("new"), b"new")
    long_ago = time.time() - 40 * 86400
    os.utime(tmp_path / digest("old")[:2] / digest("old")[2:], (long_ago, long_ago))
    assert store.trim() == 1
    assert store.get(digest("old")) is None
    assert store.get(digest("new")) == b"new"
    assert store.trim() == 0


def test_an_entry_that_is_read_is_not_old(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(digest("k"), b"x")
    long_ago = time.time() - 40 * 86400
    os.utime(tmp_path / digest("k")[:2] / digest("k")[2:], (long_ago, long_ago))
    assert store.get(digest("k")) == b"x"
    assert store.trim() == 0


def test_data_is_stale_when_a_file_it_depends_on_changes(tmp_path: Path) -> None:
    module, text = tmp_path / "layers.py", ModelSpec("Net")

    def kept() -> ModelSpec | None:
        return load(Store(tmp_path / "c"), "aa" * 32, ModelSpec)

    module.write_text("x = 1\n")
    assert save(Store(tmp_path / "c"), "aa" * 32, text, own=[str(module)])
    assert kept() == text
    module.write_text("x = 2\n")
    assert kept() is None
    module.write_text("x = 1\n")
    assert kept() == text
    module.unlink()
    assert kept() is None


def test_data_is_not_kept_when_a_dependency_is_gone_or_newer_than_the_run(tmp_path: Path) -> None:
    store, module, value = Store(tmp_path / "c"), tmp_path / "layers.py", ModelSpec("Net")
    assert not save(store, "aa" * 32, value, own=[str(module)])
    module.write_text("x = 1\n")
    assert not save(store, "aa" * 32, value, own=[str(module)], started=time.time() - 60)
    assert not save(store, "aa" * 32, value, Consulted((str(module),)), started=time.time() - 60)
    assert not save(store, "aa" * 32, value, Consulted(all=False))
    assert load(store, "aa" * 32, ModelSpec) is None
    assert save(store, "aa" * 32, value, own=[str(module)], started=time.time() + 60)


def test_data_is_stale_when_what_was_consulted_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, pipe = tmp_path / "data", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    (tmp_path / "unread").write_text("some words")
    consulted = Consulted(
        (str(tmp_path / "absent"), str(folder), str(pipe)),
        (str(tmp_path / "asked"), str(tmp_path / "unread")),
        (str(tmp_path / "measured"),),
        (str(folder),),
        {str(tmp_path): {"data": True, "helper": False}},
        ("BNLINT_TEST_VARIABLE",),
    )
    assert save(Store(tmp_path / "c"), "aa" * 32, ModelSpec("Net"), consulted)

    def kept() -> bool:
        return load(Store(tmp_path / "c"), "aa" * 32, ModelSpec) is not None

    assert kept()
    (tmp_path / "unrelated").write_text("")
    assert kept()
    (tmp_path / "unread").write_text("other words")
    assert kept()
    new = [tmp_path / name for name in ("asked", "measured", "absent", "data/new", "helper.py")]
    for path in new:
        path.write_text("")
        assert not kept()
        path.unlink()
        assert kept()
    monkeypatch.setenv("BNLINT_TEST_VARIABLE", "")
    assert not kept()


def test_an_entry_of_another_format_or_shape_is_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert save(store, "aa" * 32, ModelSpec("Net"))
    whole = json.loads(zlib.decompress(store.get("aa" * 32) or b""))
    state, data = whole[1:]
    shapes = ([99, state, data], {}, [1], 3, [3, {}, data], [3, state, data[:1]], [3, state, {}])
    forged = [json.dumps(s).encode() for s in (*shapes, [3, state, [5, *data[1:]]])]
    deep = b"[3," + b"[" * 100_000 + b"]" * 100_000 + b",1]"
    for body in (*map(zlib.compress, (*forged, b"not json", deep)), b"not compressed", b""):
        store.put("aa" * 32, body)
        assert load(store, "aa" * 32, ModelSpec) is None


def test_the_oldest_of_too_many_entries_are_dropped(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(10):
        store.put(digest(str(number)), bytes(1000))
        path = tmp_path / digest(str(number))[:2] / digest(str(number))[2:]
        os.utime(path, (time.time() - 100 + number,) * 2)
    assert store.trim(most=20_000) == 0
    assert store.trim(most=9_000) == 4
    kept = [number for number in range(10) if store.get(digest(str(number)))]
    assert kept == [4, 5, 6, 7, 8, 9]


WRITER = """
import sys
from pathlib import Path
from bnlint.cache import Store, digest
store = Store(Path(sys.argv[1]))
body = (sys.argv[2] * 200_000).encode()
print("ready", flush=True)
while True:
    for number in range(20):
        store.put(digest(str(number)), body)
        kept = store.get(digest(str(number)))
        assert kept is None or len(set(kept)) == 1, "torn"
"""


def test_processes_that_write_at_once_and_are_killed_leave_only_whole_entries(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [
        subprocess.Popen([*command, letter], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for letter in "abcd"
    ]
    for writer in writers:
        assert writer.stdout
        writer.stdout.readline()
    time.sleep(0.3)
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        _, errors = writer.communicate()
        assert b"torn" not in errors, errors.decode()
    store = Store(tmp_path)
    bodies = [store.get(digest(str(number))) for number in range(20)]
    assert any(bodies)
    assert all(body is None or (len(body) == 200_000 and len(set(body)) == 1) for body in bodies)


def test_a_missing_file_has_no_digest(tmp_path: Path) -> None:
    assert file_digest(str(tmp_path / "none")) == ""
