"""Places in the plain text of a notebook as places in its cells: the last step before a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from bnlint.domain.finding import Problem, Report
from bnlint.domain.graph import Location
from bnlint.sources import Paths, SourceFile
from bnlint.sources.cells import Cells

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Notebooks:
    """The cells of every notebook of a run, by its path as reports show it and as it is."""

    cells: Mapping[str, Cells]

    @classmethod
    def among(cls, files: Iterable[SourceFile], paths: Paths) -> Notebooks:
        """The notebooks among the files of a run."""
        found = ((file.path, Cells(file.cells)) for file in files if file.cells)
        return cls({name: c for path, c in found for name in (path, paths.absolute(path))})

    def report(self, report: Report) -> Report:
        """The report with every place in a notebook as a place in one of its cells."""
        if not self.cells:
            return report
        kept = ("findings", "models", "refused_fixes", "graphs")
        changed: dict[str, Any] = {name: self._moved(getattr(report, name)) for name in kept}
        return replace(report, problems=tuple(map(self.problem, report.problems)), **changed)

    def problem(self, problem: Problem) -> Problem:
        """The problem with its line in a cell."""
        cells = self.cells.get(problem.file)
        if cells is None or not problem.line:
            return problem
        cell, line = cells.place(problem.line)
        return replace(problem, cell=cell, line=line)

    def _moved(self, value: T) -> T:
        """The value with all locations inside it moved."""
        if isinstance(value, Location):
            return self._location(value)  # type: ignore[return-value]
        if isinstance(value, tuple) and type(value) is tuple:
            return tuple(map(self._moved, value))  # type: ignore[return-value]
        if not is_dataclass(value) or isinstance(value, type):
            return value
        old = {field.name: getattr(value, field.name) for field in fields(value)}
        new = {name: self._moved(part) for name, part in old.items()}
        changed = {name: part for name, part in new.items() if part is not old[name]}
        return replace(value, **changed) if changed else value

    def _location(self, at: Location) -> Location:
        cells = self.cells.get(at.path)
        if cells is None or at.cell:
            return at
        cell, line = cells.place(at.line)
        end = at.end_line and max(at.end_line - at.line, 0) + line
        return replace(at, cell=cell, line=line, end_line=end)
