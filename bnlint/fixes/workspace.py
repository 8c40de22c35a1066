"""The files of a run, looked at repeatedly with texts that are not on disk yet, and written."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bnlint.cache import Store, load
from bnlint.config import Settings
from bnlint.domain.errors import FixError, Mistake
from bnlint.domain.finding import Finding, Problem
from bnlint.domain.graph import Location, ModelGraph
from bnlint.domain.request import FileRequest, TraceOutcome, TraceRequest
from bnlint.edits.syntax import SourceText
from bnlint.edits.syntax import decode as decode_text
from bnlint.engine.check import check_graph
from bnlint.isolation.jobs import Limits
from bnlint.isolation.pool import Pool
from bnlint.isolation.spread import trace_spread
from bnlint.pipeline import Means, find_sources, read_rules
from bnlint.pipeline.work import Files, Work
from bnlint.sources import Paths
from bnlint.sources.expand import read_stdin

Texts = Mapping[str, SourceText]
"""Changed texts by the real path of their file."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One model, and everything that the rules say about it."""

    graph: ModelGraph
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """The result of one file: its models and problems, and the local files it depends on."""

    path: str
    seen: tuple[Seen, ...]
    problems: tuple[Problem, ...]
    depends: frozenset[str]


@dataclass(frozen=True, slots=True)
class Editable:
    """A file that was named, as it was when it was checked; a ``buffer`` is not on disk."""

    source: SourceText
    data: bytes
    buffer: bool = False


class Workspace:
    """The files of a run; its worker is closed at the end of a ``with`` block.

    Several files at once are spread over the ``executor``, if there is one; single files of a proof
    are traced here. ``means`` are for runs of the pipeline on the same files: they share the
    worker, and the text of standard input.
    """

    def __init__(self, settings: Settings, executor: Executor | None = None) -> None:
        self.settings = settings
        self.means = Means(tracer=self._traced, stdin=cache(read_stdin))
        self.paths = Paths(Path.cwd(), Path(settings.root))
        self._executor = executor
        self._stack = ExitStack()
        self._pool: Pool | None = None
        self._store = Store(Path(settings.cache_dir) if settings.cache else None)
        sources = find_sources(settings, self.paths, self.means)
        self.rules = read_rules(settings, self._store)
        files = Files(settings, self.paths, self._store)
        self.works = tuple(files.plan(sources.files, self.rules.digest))
        self.files = dict(filter(None, map(self._editable, self.works)))

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def looks(self) -> tuple[Look, ...]:
        """All files as they are on disk; what is cached is not traced again."""
        outcomes = [self._kept(work) for work in self.works]
        missing = [w.request for w, o in zip(self.works, outcomes, strict=True) if o is None]
        traced = iter(self.trace(missing))
        known = [outcome or next(traced) for outcome in outcomes]
        return tuple(self._look(w, o) for w, o in zip(self.works, known, strict=True))

    def look_again(
        self, looks: Sequence[Look], texts: Texts, changed: frozenset[str]
    ) -> tuple[Look, ...]:
        """The looks, repeated for files that depend on one of the changed paths."""
        again = [n for n, look in enumerate(looks) if not look.depends.isdisjoint(changed)]
        requests = [self.request(n, texts) for n in again]
        found = list(looks)
        for n, outcome in zip(again, self.trace(requests), strict=True):
            found[n] = self._look(self.works[n], outcome)
        return tuple(found)

    def request(self, number: int, texts: Texts) -> TraceRequest:
        """The request for the file of one work, with changed texts instead of files."""
        request = self.works[number].request
        own = texts.get(os.path.realpath(request.path)) if request.path else None
        overlays = tuple(
            (text.path, text.plain)
            for path, text in texts.items()
            if text.text != self.files[path].source.text
        )
        return replace(request, text=own.plain if own else request.text, overlays=overlays)

    def trace(self, requests: Sequence[FileRequest]) -> list[TraceOutcome]:
        """The outcomes of requests, by a worker that is started once."""
        return list(self._traced(requests)) if requests else []

    def _traced(self, requests: Sequence[FileRequest]) -> Iterator[TraceOutcome]:
        limits, jobs = Limits.of(self.settings), self.settings.jobs or os.cpu_count() or 1
        if self._executor is not None and len(requests) > 1:
            return trace_spread(self._executor, requests, jobs, limits)
        if self._pool is None:
            self._pool = self._stack.enter_context(Pool.within(limits, jobs))
        return self._pool.trace(requests)

    def _kept(self, work: Work) -> TraceOutcome | None:
        if work.outcome is not None or work.source.buffer:
            return work.outcome
        return load(self._store, work.graph_key, TraceOutcome)

    def _look(self, work: Work, outcome: TraceOutcome) -> Look:
        rules = self.rules.for_file(self.paths.rooted(work.source.path))
        facts = self.settings.for_rules()
        seen = tuple(Seen(g, check_graph(g, rules, facts).findings) for g in outcome.graphs)
        own = self.paths.absolute(work.source.path)
        depends = frozenset(map(os.path.realpath, (own, *outcome.imported)))
        return Look(work.source.path, seen, outcome.problems, depends)

    def _editable(self, work: Work) -> tuple[str, Editable] | None:
        path = self.paths.absolute(work.source.path)
        if work.source.module or self._is_linked_from_outside(path):
            return None
        if work.source.buffer:
            return os.path.realpath(path), Editable(SourceText(path, work.source.text), b"", True)
        try:
            data = Path(path).read_bytes()
            return os.path.realpath(path), Editable(decode_text(path, data), data)
        except (OSError, SyntaxError, UnicodeError, LookupError):
            return None

    def _is_linked_from_outside(self, path: str) -> bool:
        """True for a file that is below the project by a link only."""
        root, real = Path(self.settings.root).resolve(), Path(os.path.realpath(path))
        return Path(path).is_relative_to(self.settings.root) and not real.is_relative_to(root)


def write(files: Mapping[str, Editable], texts: Mapping[str, SourceText]) -> tuple[str, ...]:
    """Writes the texts that differ from their files, each as a whole or not at all.

    Every file is checked before the first is written: FixError if one is read-only, or is not what
    it was when it was checked. Returns the paths written.
    """
    changed = {path: text for path, text in texts.items() if text != files[path].source}
    mistakes = [m for path in changed if (m := _obstacle(path, files[path]))]
    if mistakes:
        raise FixError(*mistakes)
    for path, text in changed.items():
        _replace(path, text.encoded())
    return tuple(sorted(changed))


def _obstacle(path: str, file: Editable) -> Mistake | None:
    shown = Location(file.source.path, 1)
    if file.buffer:
        return Mistake("standard input cannot be changed", shown, hint="use --diff")
    try:
        with open(path, "rb") as stream:
            same = stream.read() == file.data
        mode = os.stat(path).st_mode
    except OSError as error:
        return Mistake(f"cannot be read again: {error.strerror}; nothing was changed", shown)
    if not same:
        hint = "run bnlint again"
        return Mistake("has changed while it was checked; nothing was changed", shown, hint=hint)
    if not mode & 0o222 or not os.access(path, os.W_OK):
        hint = f"make it writable: chmod u+w {file.source.path}"
        return Mistake("is read-only; nothing was changed", shown, hint=hint)
    if not os.access(os.path.dirname(path), os.W_OK):
        return Mistake("lies in a read-only folder; nothing was changed", shown)
    return None


def _replace(path: str, data: bytes) -> None:
    """Replaces a file by new content, with the mode of the old one.

    A file that has several names or is somebody else's is written in place, which keeps that.
    """
    old = os.stat(path)
    try:
        if old.st_nlink > 1 or not _is_own(old):
            Path(path).write_bytes(data)
        else:
            _exchange(path, data, stat.S_IMODE(old.st_mode))
    except OSError as error:
        raise FixError(Mistake(f"cannot be written: {error.strerror}", Location(path, 1))) from None


def _is_own(file: os.stat_result) -> bool:
    """True where a new file would have the same owner and group."""
    if not hasattr(os, "geteuid"):
        return True
    return (file.st_uid, file.st_gid) == (os.geteuid(), os.getegid())


def _exchange(path: str, data: bytes, mode: int) -> None:
    number, temporary = tempfile.mkstemp(prefix=".bnlint-", dir=os.path.dirname(path))
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
