"""The nurseries of a worker: which there are, which requests they get, and what they answer."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from bnlint.isolation.folders import HeldFolder, read_file
from bnlint.isolation.jobs import IMPORTED, Ended, JobKind, Limits
from bnlint.isolation.sharing.nursery import Nursery, Serve
from bnlint.isolation.sharing.shares import Shares

Request = tuple[int, JobKind, Any]

_LONG_QUEUE = 3
"""From this many waiting requests on, it pays to import something for several files."""

_AHEAD, _NEXT = 200, 8
"""Waiting requests whose imports are compared, and those that one is started for."""

_PATIENCE = 5.0
"""Seconds without work after which they end: the host may be busy with what it got."""

_MOST = 4
"""Nurseries that are kept at once."""


@dataclass(slots=True)
class Nurseries:
    """Nurseries in the folder ``held`` of the worker, which starts them with ``serve``."""

    held: HeldFolder
    limits: Limits
    serve: Serve
    closing: Sequence[int] = ()
    shares: Shares = field(default_factory=Shares)
    nurseries: list[Nursery] = field(default_factory=list)
    started: int = 0
    alone: set[int] = field(default_factory=set)
    idle: float = math.inf

    def busy(self) -> int:
        """The jobs that are at work in them, and the imports."""
        return sum(len(each.lent) + (each.tops is None) for each in self.nurseries)

    def pids(self) -> tuple[int, ...]:
        """Their processes."""
        return tuple(each.pid for each in self.nurseries)

    def descriptors(self) -> tuple[int, ...]:
        """What their answers are read from."""
        return tuple(each.answers for each in self.nurseries)

    def deadlines(self) -> Iterator[float]:
        """When those that still import must be done, and when all end for want of work."""
        yield from (each.deadline for each in self.nurseries if each.tops is None)
        if self.nurseries and self.idle < math.inf:
            yield self.idle

    def rest(self, idle: bool) -> None:
        """End all of them once the worker was idle for a while."""
        now = time.monotonic()
        self.idle = min(self.idle, now + _PATIENCE) if idle else math.inf
        if now >= self.idle:
            self.end()

    def lend(self, number: int, kind: JobKind, request: Any) -> bool:
        """True if one of them takes a request."""
        if number in self.alone or not self.nurseries:
            return False
        header = self.shares.header(number, request)
        fitting = [each for each in self.nurseries if each.fits(header)]
        if not fitting:
            return False
        chosen = max(fitting, key=lambda each: len(each.statements))
        self.nurseries.remove(chosen)
        self.nurseries.append(chosen)  # the last one that was used
        chosen.lend(number, kind, request)
        return True

    def consider(self, waiting: Collection[Request]) -> None:
        """Start one if what waits has imports in common that took long before."""
        if len(waiting) < _LONG_QUEUE or any(each.tops is None for each in self.nurseries):
            return
        done = [each.statements for each in self.nurseries]
        ahead = [self.shares.header(n, request) for n, _, request in islice(waiting, _AHEAD)]
        wanted = (self.shares.worthwhile(header, ahead, done) for header in ahead[:_NEXT])
        statements = next(filter(None, wanted), None)
        if statements is None or not self._makes_room():
            return
        self.started += 1
        folder = os.path.join(self.held.path, f"shared-{self.started}")
        os.makedirs(folder)
        held = HeldFolder(folder)
        closing = (*self.closing, *(n for each in self.nurseries for n in each.ends()))
        new = Nursery.start(statements, held, self.limits, self.serve, closing)
        self.nurseries.append(new)

    def learn(self, number: int, folder: str, done: Sequence[str] = ()) -> None:
        """Note what the imports of a child cost, after those that were ``done`` for it."""
        header = self.shares.forget(number)
        self.alone.discard(number)
        try:
            said = json.loads(read_file(os.path.join(folder, IMPORTED)) or b"{}")
            costs = {str(name): float(cost) for name, cost in said.items()}
        except (ValueError, TypeError, AttributeError, RecursionError):
            return
        cheap = dict.fromkeys(header.statements if header else (), 0.0)  # those that it leaves out
        known = {name: cost for name, cost in costs.items() if math.isfinite(cost)}
        self.shares.learn(cheap | known, done)

    def collect(self, ready: Collection[int], again: Callable[[Request], None]) -> Iterator[Ended]:
        """How requests ended well since; what did not is to be done ``again``, in a plain fork."""
        for each in [*self.nurseries]:
            ended = each.read() if each.answers in ready else []
            for one in ended or ():
                kind, request = each.lent.pop(one.number)
                if one.status or one.killed or not self._take(one, each):
                    self.alone.add(one.number)
                    again((one.number, kind, request))
                else:
                    folder = os.path.join(self.held.path, str(one.number))
                    self.learn(one.number, folder, each.statements)
                    yield Ended(one.number, folder, 0)
            if ended is None or each.is_overdue():
                self._lose(each, again)

    def end(self) -> None:
        """End all of them."""
        for each in self.nurseries:
            each.end()
        self.nurseries.clear()

    def _take(self, ended: Ended, lender: Nursery) -> bool:
        """Move the answer to where the host looks for it."""
        try:
            self.held.take(str(ended.number), lender.held)
        except OSError:
            return False
        return True

    def _lose(self, lost: Nursery, again: Callable[[Request], None]) -> None:
        if lost.tops is None:
            self.shares.fail(lost.statements)
        for number, (kind, request) in lost.lent.items():
            self.alone.add(number)
            again((number, kind, request))
        lost.end()
        self.nurseries.remove(lost)

    def _makes_room(self) -> bool:
        """True if there may be one more; the one that was not used for longest is ended."""
        if len(self.nurseries) < _MOST:
            return True
        idle = next((each for each in self.nurseries if not each.lent), None)
        if idle is not None:
            idle.end()
            self.nurseries.remove(idle)
        return idle is not None
