"""Findings of a watched training told when they first appear, and not again."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from torch import distributed

from bnlint.domain.finding import Finding, Severity
from bnlint.probing.showing.terminal import place


class Announcer:
    """Writes new findings to standard error, each once for its layer; a graver one again.

    Information is left to ``results``: in a training that goes well it comes and goes.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self._told: set[tuple[object, ...]] = set()

    def tell(self, step: int, findings: Iterable[Finding]) -> None:
        """Writes a line for each finding that was not told yet."""
        if self.quiet or not _is_first_rank():
            return
        for f in findings:
            about = tuple(f.evidence.values) if f.evidence is not None else ()
            key = (f.rule, f.layer, f.severity, about)
            if key in self._told or not f.severity.at_least(Severity.WARNING):
                continue
            self._told.add(key)
            line = f"step {step}: {place(f.location)}{f.severity.value} {f.name}: {f.message}\n"
            sys.stderr.write(line)


def _is_first_rank() -> bool:
    """True where one process trains, and in the first of several."""
    ready = distributed.is_available() and distributed.is_initialized()
    return not ready or distributed.get_rank() == 0
