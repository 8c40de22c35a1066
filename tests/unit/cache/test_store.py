from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bnlint.cache import Store, digest, load, save
from bnlint.cache.store import file_digest


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
    store, module = Store(tmp_path / "c"), tmp_path / "layers.py"
    module.write_text("x = 1\n")
    assert save(store, "aa" * 32, {"findings": [1, None]}, [str(module)])
    assert load(store, "aa" * 32) == {"findings": [1, None]}
    module.write_text("x = 2\n")
    assert load(store, "aa" * 32) is None
    module.write_text("x = 1\n")
    assert load(store, "aa" * 32) == {"findings": [1, None]}
    module.unlink()
    assert load(store, "aa" * 32) is None


def test_data_is_not_kept_when_a_dependency_is_gone_or_newer_than_the_run(tmp_path: Path) -> None:
    store, module = Store(tmp_path / "c"), tmp_path / "layers.py"
    assert not save(store, "aa" * 32, 1, [str(module)])
    module.write_text("x = 1\n")
    assert not save(store, "aa" * 32, 1, [str(module)], started=time.time() - 60)
    assert load(store, "aa" * 32) is None
    assert save(store, "aa" * 32, 1, [str(module)], started=time.time() + 60)


def test_an_entry_of_another_format_is_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for body in (b"[99, {}, 1]", b"{}", b"[1]", b"not json", b"3"):
        store.put("aa" * 32, body)
        assert load(store, "aa" * 32) is None


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
