"""The files and folders on which the report of a run depends, for who wants to run again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bnlint.cache import Store, load
from bnlint.config import Settings
from bnlint.domain.request import FileRequest, TraceOutcome
from bnlint.engine.catalogue import built_in_files, rule_files
from bnlint.pipeline.run import Tracer, find_sources
from bnlint.pipeline.work import Files
from bnlint.sources import Paths

_CONFIG_FILES = ("bnlint.toml", "pyproject.toml")


class NotedTracer:
    """Traces with another tracer, and notes what each outcome depends on."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self.noted: dict[str, tuple[str, ...]] = {}

    def __call__(self, requests: Sequence[FileRequest]) -> Iterator[TraceOutcome]:
        """The outcomes in the order of the requests."""
        for request, outcome in zip(requests, self._tracer(requests), strict=True):
            self.noted[request.name] = _of_outcome(outcome)
            yield outcome


def dependencies(settings: Settings, noted: dict[str, tuple[str, ...]]) -> frozenset[str]:
    """Absolute paths: sources and their folders, local modules, data, rules, the config file.

    ``noted`` are those of the files that were traced in this process; of the others, the cache
    knows them. A folder changes when a file is added to it.
    """
    paths = Paths(Path.cwd(), Path(settings.root))
    files = Files(settings, paths, Store(Path(settings.cache_dir) if settings.cache else None))
    found = {str(paths.root / name) for name in _CONFIG_FILES}
    found |= {*map(str, built_in_files()), *map(str, _own_rules(settings))}
    found |= set(filter(None, (settings.config_file, settings.baseline)))
    found |= {paths.absolute(argument.partition("::")[0]) for argument in settings.paths}
    for work in files.plan(find_sources(settings, paths).files, ""):
        name = work.request.name
        own = noted.get(name)
        if own is None:
            kept = load(files.store, work.graph_key, TraceOutcome)
            own = _of_outcome(kept) if kept else ()
        found |= {name, os.path.dirname(name), *own}
    return frozenset(path for path in found if path)


def _of_outcome(outcome: TraceOutcome) -> tuple[str, ...]:
    return (*outcome.imported, *outcome.consulted.files)


def _own_rules(settings: Settings) -> Iterable[Path]:
    return rule_files(settings.rules, Path(settings.root))
