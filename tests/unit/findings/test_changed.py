from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bnlint.domain.errors import UsageError
from bnlint.domain.finding import Finding, Related, Severity
from bnlint.domain.graph import Location
from bnlint.findings.changed import Changes, changed_only, since


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q")
    for name in ("net.py", "größe net.py", "sub/moved.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("".join(f"line {n}\n" for n in range(1, 11)))
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def _edit(path: Path, line: int, *replacement: str) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1 : line] = replacement
    path.write_text("\n".join(lines) + "\n")


def _lines(changes: Changes, folder: Path, name: str) -> list[int]:
    return [n for n in range(1, 15) if changes.touch(Location(name, n), folder)]


def test_edited_added_and_new_lines_are_changed(repository: Path) -> None:
    _edit(repository / "net.py", 3, "new 3")
    _edit(repository / "größe net.py", 5, "line 5", "added", "added")
    (repository / "fresh.py").write_text("x\n")
    changes = since("HEAD", repository)
    assert _lines(changes, repository, "net.py") == [3]
    assert _lines(changes, repository, "größe net.py") == [6, 7]
    assert len(_lines(changes, repository, "fresh.py")) == 14
    assert _lines(changes, repository, "sub/moved.py") == []


def test_what_was_taken_away_shows_at_its_neighbours(repository: Path) -> None:
    _edit(repository / "net.py", 5)
    assert _lines(since("HEAD", repository), repository, "net.py") == [4, 5]


def test_a_renamed_file_only_has_the_lines_that_differ(repository: Path) -> None:
    _git(repository, "mv", "sub/moved.py", "sub/new.py")
    _edit(repository / "sub/new.py", 2, "other")
    assert _lines(since("HEAD", repository), repository, "sub/new.py") == [2]


def test_paths_are_found_from_a_folder_below(repository: Path) -> None:
    _edit(repository / "sub/moved.py", 2, "other")
    changes = since("HEAD", repository / "sub")
    assert _lines(changes, repository / "sub", "moved.py") == [2]
    assert _lines(changes, repository, str(repository / "sub" / "moved.py")) == [2]


def test_three_dots_compare_with_where_the_branch_left(repository: Path) -> None:
    _git(repository, "checkout", "-qb", "mine")
    _edit(repository / "net.py", 1, "mine")
    _git(repository, "commit", "-qam", "mine")
    _git(repository, "checkout", "-q", "main")
    _edit(repository / "net.py", 9, "theirs")
    _git(repository, "commit", "-qam", "theirs")
    _git(repository, "checkout", "-q", "mine")
    assert _lines(since("main...", repository), repository, "net.py") == [1]
    assert _lines(since("main", repository), repository, "net.py") == [1, 9]


def test_a_finding_stays_when_a_layer_that_takes_part_was_changed(repository: Path) -> None:
    _edit(repository / "net.py", 3, "new 3")
    changes = since("HEAD", repository)

    def finding(line: int, related: int, end: int = 0) -> Finding:
        others = (Related("bn", Location("net.py", related), ""), Related("x", None, ""))
        at = Location("net.py", line, 1, end, 9 if end else 0)
        return Finding("R", "r", Severity.INFO, "", at, "", "", others)

    findings = [finding(3, 9), finding(9, 3), finding(8, 9), finding(1, 9, end=4)]
    assert changed_only(findings, changes, repository) == (findings[0], findings[1], findings[3])


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("mian", "there is no revision 'mian'\n.*did you mean 'main'"),
        ("nothing", "there is no revision 'nothing'\n.*shallow clone"),
        ("--output=x", "'--output=x' is not a revision"),
        ("", "'' is not a revision"),
    ],
)
def test_an_unknown_revision_is_a_usage_error(
    repository: Path, revision: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        since(revision, repository)
    assert not (repository / "x").exists()


def test_outside_of_a_repository_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is in no git repository"):
        since("HEAD", tmp_path)
