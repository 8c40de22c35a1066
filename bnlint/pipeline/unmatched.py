"""Tables of the config file that match nothing: a glob or the name of a model with a slip in it.

Only what can be known is reported: a run on one file does not see the others, so a glob is only
called unmatched where the run searched the whole folder that it begins with, or that is missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from bnlint.config import Settings
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.phrases import closest
from bnlint.pipeline.work import FileResult
from bnlint.sources import Paths, Sources

_MAGIC = re.compile(r"[*?\[]")
_HINT = "paths are relative to the folder of the config file"


class _Row(NamedTuple):
    """A row of a table: the keys that lead to it, its glob, the model that it is for (or none)."""

    table: str
    key: str
    glob: str
    model: str = ""


def unmatched(
    settings: Settings, paths: Paths, sources: Sources, results: Sequence[FileResult]
) -> tuple[Problem, ...]:
    """A problem for each row of the config file that matches no file or no model."""
    if not settings.config_file or not settings.paths:
        return ()
    searched = [Path(paths.absolute(p)) for p in settings.paths if os.path.isdir(paths.absolute(p))]
    seen = [paths.rooted(path) for path in (*(f.path for f in sources.files), *sources.skipped)]
    found = []
    for row in _rows(settings):
        fitting = [path for path in seen if fnmatch(path, row.glob)]
        if not fitting and _is_nowhere(row.glob, paths.root, searched):
            found.append((row, f"[{row.table}]: no file matches {row.glob!r}", _HINT))
        elif fitting and row.model:
            found += _without_model(row, fitting, paths, results)
    problems = _problems(settings, paths, found) if found else ()
    return tuple(sorted(problems, key=lambda problem: problem.line))


def _rows(settings: Settings) -> Iterator[_Row]:
    for entry in settings.per_file:
        yield _Row("per-file", entry.glob, entry.glob)
    for declared in settings.models:
        yield _Row("models", declared.glob, declared.glob)
    for given in settings.inputs_for:
        key = f"{given.glob}::{given.model}" if given.model else given.glob
        yield _Row("inputs", key, given.glob, given.model)


def _is_nowhere(glob: str, root: Path, searched: Iterable[Path]) -> bool:
    """True where no file can match a glob that matches none of the files of the run."""
    magic = _MAGIC.search(glob)
    if not magic:
        return not os.path.exists(root / glob)
    folder = root / glob[: magic.start()].rpartition("/")[0]
    return not folder.is_dir() or any(folder.is_relative_to(place) for place in searched)


def _without_model(
    row: _Row, fitting: Collection[str], paths: Paths, results: Iterable[FileResult]
) -> Iterator[tuple[_Row, str, str]]:
    """What to say where all files of a row were built, and none has the model it names."""
    mine = [result for result in results if paths.rooted(result.path) in fitting]
    names = {model.ref.name for result in mine for model in (*result.models, *result.missed)}
    unbuilt = {problem.model for result in mine for problem in result.problems}
    blocked = any(problem.blocking for result in mine for problem in result.problems)
    if names and not blocked and row.model not in names | unbuilt:
        said = f"[{row.table}]: no model is called {row.model!r} in the files of {row.glob!r}"
        yield row, said, closest(row.model, names)


def _problems(
    settings: Settings, paths: Paths, found: Iterable[tuple[_Row, str, str]]
) -> Iterator[Problem]:
    from bnlint.config.config_file import locate, read_config

    file = read_config(Path(settings.config_file))
    shown = paths.shown(settings.config_file)
    for row, message, hint in found:
        line = locate(file.text, (*file.prefix, row.table, row.key))[0] if file else 0
        yield Problem(ProblemKind.CONFIG, shown, message, hint, line)
