"""git, asked through its command: neither index nor work tree nor refs are written."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.model_comparison import INDEX, WORKING_TREE
from bnlint.domain.phrases import closest

_READ_ONLY = {
    "GIT_OPTIONAL_LOCKS": "0",  # `git diff` would refresh the index
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


SUBMODULE = "160000"
"""The mode of an entry that is a commit of another repository."""


class BlobEntry(NamedTuple):
    """A file of a revision: its mode, its blob and its path from the top of the repository."""

    mode: str
    blob: str
    path: str


def content_of(entries: Sequence[BlobEntry]) -> str:
    """A name for the content of a version, equal for equal files."""
    listed = "\0".join(map(" ".join, entries))
    return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()[:40]


class ChangedFile(NamedTuple):
    """A file that changed, by its path before and after; empty on a side that does not have it."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of all files: a commit by its name and hash, the index, or the working tree."""

    name: str
    commit: str = ""

    @property
    def on_disk(self) -> bool:
        """True for the working tree, which need not be read from git."""
        return self.name == WORKING_TREE

    @property
    def in_index(self) -> bool:
        """True for what is staged."""
        return self.name == INDEX and not self.commit


class Repository:
    """The repository around a folder.

    Raises UsageError if there is none, or git is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.top = folder
        done = self._run(["rev-parse", "--show-toplevel"])
        if done.returncode:
            hint = "compare two files instead: bnlint compare old.py new.py"
            raise UsageError(Mistake(f"{folder} is in no git repository", hint=hint))
        self.top = Path(done.stdout.strip())

    def versions(self, words: Sequence[str], *, staged: bool) -> tuple[Version, Version]:
        """The two versions that revisions name: ``main``, ``main...``, ``a..b``, ``a b``.

        Raises
        ------
        UsageError
            When there is no such revision, or two have nothing in common.

        """
        text, *others = words
        later = Version(INDEX) if staged else Version(WORKING_TREE)
        for dots in ("...", ".."):
            left, found, right = text.partition(dots)
            if not found:
                continue
            new = self._version(right) if right else later
            old = self._version(left or "HEAD")
            if dots == "...":
                old = self._base(old, new)
            return old, new
        return self._version(text), self._version(others[0]) if others else later

    def knows(self, revision: str) -> bool:
        """True if a text names a commit."""
        return bool(self._commit(revision))

    def _version(self, name: str) -> Version:
        commit = self._commit(name)
        if commit:
            return Version(name, commit)
        known = self._run(["for-each-ref", "--format=%(refname:short)"]).stdout.split()
        shallow = self._run(["rev-parse", "--is-shallow-repository"]).stdout.strip() == "true"
        start = re.split(r"[~^@]", name)[0] or "HEAD"
        hint = "" if start != name and self.knows(start) else closest(name, known, most=0)
        if shallow and not hint:
            hint = "this clone is shallow; fetch more of the history first: git fetch --unshallow"
        raise UsageError(Mistake(f"there is no revision '{name}'", hint=hint))

    def _commit(self, name: str) -> str:
        if not name or name.startswith("-"):
            return ""
        verify = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
        return self._run(verify).stdout.strip()

    def _base(self, old: Version, new: Version) -> Version:
        tip = new.commit or "HEAD"
        done = self._run(["merge-base", old.commit, tip])
        if done.returncode or not done.stdout.strip():
            shown = new.name if new.commit else "HEAD"
            hint = "in a shallow clone, fetch more of the history first: git fetch --unshallow"
            raise UsageError(Mistake(f"'{old.name}' has no merge base with {shown}", hint=hint))
        return Version(f"{old.name}...", done.stdout.strip())

    def changed(self, old: Version, new: Version) -> list[ChangedFile]:
        """The files that differ, renamed ones paired; untracked ones belong to the working tree."""
        side = ["--cached"] if new.in_index else [new.commit] if new.commit else []
        ends = [old.commit, *side] if not new.in_index else ["--cached", old.commit]
        plain = ["--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "-M", "-z"]
        ask = ["diff", "--name-status", *plain]
        if self._run([*ask, *ends, "--"]).returncode:  # blobs are missing, as in a partial clone
            ask.append("--no-renames")
        words = self._read(*ask, *ends, "--").split("\0")
        found = list(_parsed(iter(words)))
        if new.on_disk:
            fresh = self._read("ls-files", "--others", "--exclude-standard", "-z").split("\0")
            found += [ChangedFile("", path) for path in fresh if path]
        return [*found, *self._changed_below(found, old, new)]

    def _changed_below(
        self, found: Sequence[ChangedFile], old: Version, new: Version
    ) -> Iterator[ChangedFile]:
        """The files that differ inside of submodules that point to another commit."""
        places = {f.new for f in found if f.new == f.old and (self.top / f.new / ".git").exists()}
        if not places:
            return
        had = {entry.path: entry for entry in self.entries(old) if entry.mode == SUBMODULE}
        has = {} if new.on_disk else {e.path: e for e in self.entries(new) if e.mode == SUBMODULE}
        for path in sorted(places & had.keys()):
            inside = self.submodule(had[path])
            later = Version(WORKING_TREE) if new.on_disk else Version(path, has[path].blob)
            if inside is None or not (new.on_disk or inside.knows(later.commit)):
                continue
            for file in inside.changed(Version(path, had[path].blob), later):
                yield ChangedFile(*(f"{path}/{name}" if name else "" for name in file))

    def submodule(self, entry: BlobEntry) -> Repository | None:
        """The repository of a submodule; None where it is not here or lacks the commit."""
        if not (self.top / entry.path / ".git").exists():
            return None
        inside = Repository(self.top / entry.path)
        return inside if inside.knows(entry.blob) else None

    def entries(self, version: Version) -> list[BlobEntry]:
        """All files of a commit or of the index."""
        if version.in_index:
            lines = self._read("ls-files", "-s", "-z").split("\0")
            cut = [(*head.split()[:2], path) for head, _, path in _cut(lines)]
            return [BlobEntry(mode, blob, path) for mode, blob, path in cut]
        lines = self._read("ls-tree", "-r", "-z", "--full-tree", version.commit).split("\0")
        return [BlobEntry(head.split()[0], head.split()[2], path) for head, _, path in _cut(lines)]

    def tracked(self) -> list[str]:
        """The files of the working tree that git knows, and the untracked ones."""
        listed = self._read("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return [path for path in listed.split("\0") if path]

    def blobs(self, entries: Sequence[BlobEntry]) -> Iterator[tuple[BlobEntry, bytes | None]]:
        """The content of files, one process for all; None for what this clone does not have."""
        with subprocess.Popen(
            ["git", "cat-file", "--batch"],
            cwd=self.top,
            env={**os.environ, **_READ_ONLY},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for entry in entries:
                process.stdin.write(entry.blob.encode() + b"\n")
                process.stdin.flush()
                head = process.stdout.readline().split()
                if len(head) != 3:
                    yield entry, None
                    continue
                data = process.stdout.read(int(head[2]))
                process.stdout.read(1)
                yield entry, data
            process.stdin.close()

    def _read(self, *arguments: str) -> str:
        done = self._run(arguments)
        if done.returncode:
            detail = done.stderr.strip().rpartition("\n")[2].removeprefix("fatal: ")
            raise UsageError(Mistake(f"git {arguments[0]} failed", hint=detail))
        return done.stdout

    def _run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self.top,
                env={**os.environ, **_READ_ONLY},
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
                check=False,
            )
        except FileNotFoundError:
            raise UsageError("comparing revisions needs git, which is not installed") from None


def _cut(lines: Sequence[str]) -> list[tuple[str, str, str]]:
    return [line.partition("\t") for line in lines if line]


def _parsed(words: Iterator[str]) -> Iterator[ChangedFile]:
    """The files of ``git diff --name-status -z``."""
    for status in words:
        if not status:
            continue
        path = next(words)
        if status[0] in "RC":
            renamed = next(words)
            yield ChangedFile(path if status[0] == "R" else "", renamed)
        elif status[0] == "A":
            yield ChangedFile("", path)
        elif status[0] == "D":
            yield ChangedFile(path, "")
        else:
            yield ChangedFile(path, path)
