"""One cause, one line: verdicts in the order in which faults begin, with what follows from each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import plural
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats, KernelStats, NormStats
from bnlint.probing.judging.metric import Metric, Verdict, metrics

LATE = 1 << 30
"""After all calls of a forward."""

SOMEWHERE = LATE - 1
"""Of a forward, at a call whose order is not known."""


@dataclass(slots=True)
class Cause:
    """A verdict of a metric, where it begins, and the verdicts that follow from it."""

    metric: Metric
    verdict: Verdict
    begin: int
    follows: list[Cause] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """That of the gravest of them."""
        every = (self.verdict.severity, *(f.verdict.severity for f in self.follows))
        return min(every, key=lambda s: s.rank)

    def text(self) -> str:
        """What is wrong, what follows, and what to do."""
        parts = [self.verdict.message.rstrip(".")]
        names = list(dict.fromkeys(f.metric.name for f in self.follows))
        if names:
            count = plural(len(self.follows), "finding")
            follow = "follows" if len(self.follows) == 1 else "follow"
            parts.append(f"{count} further on {follow} from it ({', '.join(names)})")
        parts.append((self.verdict.remedy or self.metric.remedy).rstrip("."))
        return ". ".join(parts) + "."


def causes(result: ProbeResult) -> list[Cause]:
    """What all metrics say, gathered under causes: those that count first, then information."""
    orders = _orders(result)
    found = [
        Cause(metric, verdict, _begin(metric, verdict, orders))
        for metric in metrics()
        for verdict in metric.judge(result)
    ]
    found.sort(key=lambda c: (c.verdict.severity is Severity.INFO, c.begin))
    return list(_gathered(found))


def _gathered(found: Iterable[Cause]) -> Iterator[Cause]:
    heads: list[Cause] = []
    for cause in found:
        head = next((h for h in heads if _explains(h, cause)), None)
        if head is not None:
            head.follows.append(cause)
        else:
            heads.append(cause)
    yield from heads


def _explains(head: Cause, other: Cause) -> bool:
    """Whether one fault is behind another: it begins before it, and leads to such."""
    if head.metric is other.metric:
        return head.verdict.at is not None and other.verdict.at is not None
    counts = head.verdict.severity is not Severity.INFO
    return counts and head.begin <= other.begin and other.metric.name in head.metric.leads_to


def _orders(result: ProbeResult) -> Mapping[str, int]:
    """When each layer is first called; containers with their first part."""
    orders: dict[str, int] = {}
    rows: tuple[KernelStats | NormStats | ActivationStats, ...]
    rows = (*result.kernels, *result.norms, *result.activations)
    for row in sorted(rows, key=lambda row: row.order):
        layer = row.layer
        while layer and layer not in orders:
            orders[layer] = row.order
            layer = layer.rpartition(".")[0]
    return orders


def _begin(metric: Metric, verdict: Verdict, orders: Mapping[str, int]) -> int:
    if metric.begins == "data":
        return -1
    at = verdict.at
    if verdict.begin:
        return verdict.begin
    if metric.begins == "backward":
        return LATE
    if metric.begins == "training":
        return LATE + 1
    if at is None:
        return LATE
    return getattr(at, "order", 0) or orders.get(at.layer, SOMEWHERE)
