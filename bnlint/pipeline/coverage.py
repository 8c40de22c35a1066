"""What silence means: which rules were run on which file, and where they saw everything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from bnlint.domain.finding import ProblemKind
from bnlint.pipeline.files import FileResult
from bnlint.pipeline.paths import Paths
from bnlint.pipeline.rules import RuleSet

_INCOMPLETE = frozenset({ProblemKind.NOT_BUILT, ProblemKind.UNTRACEABLE, ProblemKind.OPAQUE_PART})

Rules = Mapping[str, frozenset[str]]
"""Ids of rules by file."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The rules that were ``run`` on each file, and those that ``decided`` everything in it.

    Files of which a model could not be checked have no place in ``decided``. ``known`` are the ids
    of all rules there are.
    """

    run: Rules = field(default_factory=dict)
    decided: Rules = field(default_factory=dict)
    known: Collection[str] = ()

    def could_find(self, file: str, rule: str) -> bool:
        """True where the rule was run on the file, or is gone for good."""
        return file in self.run and (rule in self.run[file] or rule not in self.known)

    def would_find(self, file: str, rule: str) -> bool:
        """True where nothing kept the rule from finding what there is in the file."""
        return file in self.decided and (rule in self.decided[file] or rule not in self.known)

    def renamed(self, name: Callable[[str], str]) -> Coverage:
        """The same with other names for the files."""
        run, decided = ({name(f): ids for f, ids in r.items()} for r in (self.run, self.decided))
        return Coverage(run, decided, self.known)


def coverage(paths: Paths, rules: RuleSet, results: Iterable[FileResult]) -> Coverage:
    """What was covered, by files as reports show them."""
    run: dict[str, frozenset[str]] = {}
    decided: dict[str, frozenset[str]] = {}
    for result in results:
        if not result.models:
            continue
        file = paths.shown(result.path)
        run[file] = rules.run_on(paths.rooted(file))
        if not any(p.blocking or p.kind in _INCOMPLETE for p in result.problems):
            decided[file] = run[file] - {u.rule for u in result.undecided}
    return Coverage(run, decided, frozenset(rules.names))
