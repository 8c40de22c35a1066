"""Which imports of a run are worth doing once for several files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bnlint.domain.request import TraceRequest

if TYPE_CHECKING:
    from bnlint.loading.sharing.header import Header

_FILES = 3
"""Files that must begin with the same imports."""

_DEAR, _WORTH = 0.1, 0.3
"""Seconds of the processor: of an import that counts, and of all that a file would be spared."""

_RETURN = 2.0
"""How many times as much as they cost all files together must be spared."""


class Shares:
    """What the files of a run begin with, and what that cost those which were imported so far.

    An import costs less where what it needs is there already, so costs are kept for each set of
    imports that was done before.
    """

    def __init__(self) -> None:
        self._costs: dict[frozenset[str], dict[str, float]] = {}
        self._failed: set[str] = set()
        self._headers: dict[int, Header] = {}

    def header(self, number: int, request: Any) -> Header:
        """What the file of a request begins with, read once."""
        from bnlint.loading.sharing.header import NOTHING, header_of  # they import torch

        if not isinstance(request, TraceRequest):
            return NOTHING
        if number not in self._headers:
            self._headers[number] = header_of(request)
        return self._headers[number]

    def forget(self, number: int) -> Header | None:
        """Forget a request that was answered; what its file begins with, if that was read."""
        return self._headers.pop(number, None)

    def learn(self, costs: Mapping[str, float], done: Iterable[str] = ()) -> None:
        """Note what import statements cost in one process, in which ``done`` were run before."""
        known = self._costs.setdefault(frozenset(done), {})
        for statement, seconds in costs.items():
            known[statement] = max(seconds, known.get(statement, 0.0))

    def fail(self, statements: Iterable[str]) -> None:
        """Note statements that cannot be run for several files."""
        self._failed.update(statements)

    def worthwhile(
        self, header: Header, ahead: Sequence[Header], done: Iterable[Collection[str]]
    ) -> tuple[str, ...]:
        """The statements of a file that should be run for it and others; none if ``done`` will do.

        ``ahead`` are the files that come next, ``done`` the statements that were run together.
        """
        own = set(header.statements)
        before = max(
            (frozenset(d) for d in done if own.issuperset(d)), key=len, default=frozenset()
        )
        cost = self._costs.get(before, {})
        others = [set(each.statements) for each in ahead]
        common = {s: sum(s in other for other in others) for s in own - before}
        dear = [s for s in header.statements if common.get(s, 0) >= _FILES]
        dear = sorted((s for s in dear if self._is_dear(s, cost)), key=lambda s: -common[s])
        best, gain = frozenset[str](), 0.0
        for number in range(1, len(dear) + 1):
            new = frozenset(dear[:number])
            files = sum(new | before <= other for other in others)
            spared = sum(cost[statement] for statement in new)
            found = files * spared - _RETURN * self._spent(new | before)
            if files >= _FILES and spared >= _WORTH and found >= gain:
                best, gain = new | before, found
        return tuple(s for s in header.statements if s in best)

    def _spent(self, statements: Iterable[str]) -> float:
        """What it takes to run all of them; at most, since they may share what they import."""
        known = self._costs.get(frozenset(), {})
        return sum(known.get(statement, 0.0) for statement in statements)

    def _is_dear(self, statement: str, cost: Mapping[str, float]) -> bool:
        return cost.get(statement, 0.0) >= _DEAR and statement not in self._failed
