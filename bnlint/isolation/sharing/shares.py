"""Which imports of a run are worth doing once for several files."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bnlint.domain.request import TraceRequest

if TYPE_CHECKING:
    from bnlint.loading.sharing.header import Header

_RECENT = 24
"""Files whose imports are compared."""

_FILES = 3
"""Files of those that must begin with the same imports."""

_DEAR, _WORTH = 0.1, 0.3
"""Seconds of the processor: of an import that counts, and of all that a file would be spared."""


class Shares:
    """What the files of a run begin with, and what that cost those which were imported so far."""

    def __init__(self) -> None:
        self._costs: dict[str, float] = {}
        self._failed: set[str] = set()
        self._recent: deque[Header] = deque(maxlen=_RECENT)
        self._headers: dict[int, Header] = {}

    def header(self, number: int, request: Any) -> Header:
        """What the file of a request begins with, read once."""
        from bnlint.loading.sharing.header import NOTHING, header_of  # they import torch

        if not isinstance(request, TraceRequest):
            return NOTHING
        if number not in self._headers:
            self._headers[number] = found = header_of(request)
            self._recent.append(found)
        return self._headers[number]

    def forget(self, number: int) -> None:
        """Forget a request that was answered."""
        self._headers.pop(number, None)

    def learn(self, costs: Mapping[str, float]) -> None:
        """Note what import statements cost in one process."""
        for statement, seconds in costs.items():
            self._costs[statement] = max(seconds, self._costs.get(statement, 0.0))

    def fail(self, statements: Iterable[str]) -> None:
        """Note statements that cannot be run for several files."""
        self._failed.update(statements)

    def worthwhile(self, header: Header, done: Iterable[Collection[str]]) -> tuple[str, ...]:
        """The statements of a file that should be run for it and others; none if ``done`` will do.

        ``done`` are the statements that were run together before.
        """
        dear = tuple(s for s in header.statements if self._is_dear(s) and self._files((s,)))
        if not self._files(dear):
            return ()
        spared = sum(self._costs[statement] for statement in dear)
        fitting = (found for found in done if set(found) <= set(header.statements))
        before = max((sum(map(self._cost, found)) for found in fitting), default=0.0)
        return dear if spared - before >= _WORTH else ()

    def _is_dear(self, statement: str) -> bool:
        return self._cost(statement) >= _DEAR and statement not in self._failed

    def _cost(self, statement: str) -> float:
        return self._costs.get(statement, 0.0)

    def _files(self, statements: tuple[str, ...]) -> bool:
        """True if enough files begin with all of these."""
        wanted = set(statements)
        return sum(wanted <= set(h.statements) for h in self._recent) >= _FILES
