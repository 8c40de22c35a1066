"""Units over the latest observed steps: a batch of 64 proves no unit dead, but four of them do."""

from __future__ import annotations

from dataclasses import replace

from bnlint.domain.probe_rows import ActivationStats
from bnlint.probing.judging.metric import ENOUGH
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import ActivationReading
from bnlint.probing.observing.summarise import activation_rows
from bnlint.tracing.forward import Key


class RecentUnits:
    """Readings of the latest steps, for each call as many as hold :data:`ENOUGH` samples.

    A unit is dead if it was in the zero region on all of them. Only what is said of units comes
    from several steps: everything else changes with the weights.
    """

    def __init__(self) -> None:
        self._readings: dict[Key, list[ActivationReading]] = {}

    def add(self, seen: Observer) -> tuple[ActivationStats, ...]:
        """The rows of this step, with what the units did in the latest ones."""
        rows = activation_rows(seen)
        own, firsts = seen.activations, self._readings
        self._readings = {}
        for reading in own:
            self._readings.setdefault(reading.key, []).append(_slim(reading))
        for key, group in self._readings.items():
            earlier = firsts.get(key, ())
            group[:0] = _latest(earlier, ENOUGH - sum(r.moments.samples for r in group))
        try:
            seen.activations = [r for group in self._readings.values() for r in group]
            over_steps = {(a.layer, a.call): a for a in activation_rows(seen)}
        finally:
            seen.activations = own
        return tuple(_units_of(row, over_steps[row.layer, row.call]) for row in rows)


def _latest(readings: list[ActivationReading] | tuple[()], wanted: int) -> list[ActivationReading]:
    """The last readings that together hold ``wanted`` samples, or all there are."""
    found: list[ActivationReading] = []
    for reading in reversed(readings):
        if wanted <= 0:
            break
        found.insert(0, reading)
        wanted -= reading.moments.samples
    return found


def _slim(reading: ActivationReading) -> ActivationReading:
    """The reading without its raw values, which only pictures of a single step need."""
    return replace(reading, before=reading.before[:0], after=None)


def _units_of(row: ActivationStats, recent: ActivationStats) -> ActivationStats:
    return replace(row, **{name: getattr(recent, name) for name in UNITS})


UNITS = (
    *("samples", "dead", "always_on", "dead_units", "always_on_units"),
    *("minimum", "maximum"),
)
"""The fields of a row that are about units, with the extremes that decide them."""
