"""What a path is relative to: the working directory for people, the root for names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from bnlint.domain.finding import Finding, Problem
from bnlint.domain.graph import Location, ModelRef
from bnlint.domain.phrases import below

_below = lru_cache(maxsize=4096)(below)
"""Every place in a report names one of a few files."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The working directory and the root of the project, both absolute."""

    cwd: Path
    root: Path

    def absolute(self, path: str) -> str:
        """The absolute path of one that a user wrote or a report shows."""
        return str(self.cwd / path)

    def shown(self, path: str) -> str:
        """The path as reports show it: relative to the working directory when it lies below."""
        return _below(path, self.cwd)

    def rooted(self, path: str) -> str:
        """The path relative to the root: the same wherever bnlint is started."""
        return _below(self.absolute(path), self.root)

    def finding(self, finding: Finding) -> Finding:
        """The finding with its paths as reports show them."""
        related = tuple(replace(r, location=self._at(r.location)) for r in finding.related)
        anchors = tuple(replace(a, path=self.shown(a.path)) for a in finding.anchors)
        at = replace(finding.location, path=self.shown(finding.location.path))
        return replace(finding, location=at, related=related, anchors=anchors)

    def problem(self, problem: Problem) -> Problem:
        """The problem with its path as reports show it, in a hint that names a target too.

        The worker knows only the file's own name: what it says is kept for runs from any folder.
        """
        shown = self.shown(problem.file)
        target, here = f"'{Path(problem.file).name}::", f"'{shown}::"
        return replace(problem, file=shown, hint=problem.hint.replace(target, here))

    def ref(self, ref: ModelRef) -> ModelRef:
        """The model reference with its paths as reports show them."""
        return replace(ref, file=self.shown(ref.file), definition=self._at(ref.definition))

    def _at(self, location: Location | None) -> Location | None:
        return location and replace(location, path=self.shown(location.path))
