"""``--watch``: lint again whenever something changes that the report depends on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bnlint import pipeline
from bnlint.cli.output import wants_colour, write_report
from bnlint.cli.progress_line import bar
from bnlint.config import Settings, load_settings
from bnlint.domain.errors import BnlintError, Mistake, UsageError
from bnlint.isolation.jobs import Limits
from bnlint.isolation.pool import Pool
from bnlint.pipeline.depends_on import NotedTracer, dependencies
from bnlint.report.lines import paint

_PAUSE = 0.25
"""Seconds between two looks at the files."""

_CLEAR = "\x1b[2J\x1b[3J\x1b[H"

Stamps = Mapping[str, tuple[int, int, int]]
"""When each file was changed last, its size and its number; a missing file has none."""


def watch(given: Mapping[str, Any]) -> int:
    """Lint until interrupted; 0.

    The settings are read again for each run, so that a changed config file counts.
    """
    settings = load_settings(given)
    _check(settings)
    warm = _Warm()
    try:
        while True:
            _wait(*_run(given, warm))
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 0
    finally:
        warm.close()


def _check(settings: Settings) -> None:
    """Raise UsageError for what cannot be repeated."""
    if "-" in settings.paths:
        raise UsageError(Mistake("--watch cannot read standard input", hint="name files"))
    if settings.fix or settings.diff or settings.graph or settings.add_ignores:
        raise UsageError("--watch only lints; run --fix, --diff, --graph or --add-ignores alone")


class _Warm:
    """A worker that stays, and what the outcomes that it traced depend on."""

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._tracer: NotedTracer | None = None

    def tracer(self, settings: Settings) -> NotedTracer:
        """The tracer for these settings; a new one where their limits are others."""
        limits, jobs = Limits.of(settings), settings.jobs or os.cpu_count() or 1
        if self._pool is None or self._pool.limits != limits:
            self.close()
            self._pool = Pool.within(limits, jobs)
            self._tracer = NotedTracer(self._pool.trace)
        assert self._tracer is not None, "made with the pool"
        return self._tracer

    def close(self) -> None:
        """End the worker."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


def _run(given: Mapping[str, Any], warm: _Warm) -> tuple[frozenset[str], Stamps]:
    """Lint once; what to watch, as it was before the run."""
    before: Stamps = {}
    watched: frozenset[str] = frozenset()
    if sys.stdout.isatty():
        sys.stdout.write(_CLEAR)
    try:
        settings = load_settings(given)
        tracer = warm.tracer(settings)
        watched = dependencies(settings, tracer.noted)
        before = stamps(watched)
        with bar(settings) as progress:
            report, _ = pipeline.check_whole(settings, pipeline.Means(progress, tracer=tracer))
        write_report(report, settings)
        watched = dependencies(settings, tracer.noted)
        before = {**stamps(watched), **_of_files(before, watched)}
    except BnlintError as error:
        sys.stderr.write("".join(f"bnlint: error: {mistake}\n" for mistake in error.mistakes))
        settings = Settings(config_file=str(given.get("config", "")))
        watched = watched or _around(given)
        before = {**stamps(watched), **before}
    said = f"watching {len(watched)} files and folders for changes; Ctrl-C ends"
    colour = wants_colour(settings.colour, sys.stderr)
    sys.stderr.write(paint(said, "dim", colour) + "\n")
    sys.stderr.flush()
    return watched, before


def _of_files(before: Stamps, watched: frozenset[str]) -> Stamps:
    """The stamps of files: a folder may have changed because the run wrote something into it."""
    kept = {path: stamp for path, stamp in before.items() if path in watched}
    return {path: stamp for path, stamp in kept.items() if not os.path.isdir(path)}


def _around(given: Mapping[str, Any]) -> frozenset[str]:
    """What may repair a mistake in the configuration."""
    folders = {os.path.dirname(os.path.abspath(path)) or "." for path in given.get("paths", ())}
    folders |= {os.getcwd()}
    files = {os.path.join(f, name) for f in folders for name in ("bnlint.toml", "pyproject.toml")}
    return frozenset({*files, *map(os.path.abspath, given.get("paths", ()))})


def stamps(paths: Iterable[str]) -> Stamps:
    """The stamp of each path that exists."""
    found = {}
    for path in paths:
        try:
            state = os.stat(path)
        except (OSError, ValueError):
            continue
        found[path] = state.st_mtime_ns, state.st_size, state.st_ino
    return found


def _wait(
    watched: frozenset[str], before: Stamps, pause: Callable[[float], None] = time.sleep
) -> None:
    """Return when one of the watched paths has changed, come or gone."""
    while stamps(watched) == before:
        pause(_PAUSE)
