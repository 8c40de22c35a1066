"""Facts about a model's initial weights, by operation: those that begin with ``init-``.

They are read from the model itself, since the traced copy on meta holds no numbers. Operations
whose weights are on meta get no such facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import Value
from bnlint.layers.calls import Call
from bnlint.layers.of_calls import kind_of
from bnlint.layers.table import Table, having
from bnlint.loading.weights import left_out
from bnlint.tracing.forward.module_names import states_of
from bnlint.tracing.initial.meanfield import SignalMoments, Units
from bnlint.tracing.initial.real_weights import (
    given_weights,
    named_parameters,
    scale_of,
    weights_of,
)
from bnlint.tracing.initial.stretches import (
    Prediction,
    Step,
    Weights,
    predict,
    propagate,
    stretches,
)
from bnlint.tracing.tracers import Record

Facts = dict[str, Value]

DEVIATIONS = {True: 4.0, False: 3.2}
"""Standard deviations from the mean to the largest value of a batch: feature maps, vectors."""

_LEAST = 1e-12
_MOST = 0.5
_PICKS = frozenset({"kernel", "recurrent", "slice", "split", "pixelshuffle", "opaque", "other"})
"""What may read each channel in a way of its own."""
_SETS_SCALE = having("sets", "scale")


@torch.no_grad()
def initial_facts(
    record: Record, model: nn.Module, table: Table, *, whole: bool = True
) -> Mapping[str, Facts]:
    """The facts of each call of ``record``, by its id; empty for a model on meta.

    Weights that pretrained ones would replace are not read.

    ``whole`` is true if the inputs and outputs of the record are those of the model.
    """
    if all(s.is_meta or is_lazy(s) for s in states_of(model)):
        return {}
    replaced = {id(part) for module, _ in left_out(model) for part in module.modules()}
    modules = {name: m for name, m in model.named_modules() if id(m) not in replaced}
    own = named_parameters(modules) if whole else {}
    reader = _Reader(record, modules, table, whole, own)
    if not reader.weights and not reader.scales:
        return {}
    for call in record.calls:
        reader.read(call)
    for run in stretches(record, lambda call: kind_of(call, table), reader.weights):
        reader.read_stretch(run)
    return reader.facts


@dataclass(slots=True)
class _Reader:
    """Collects the facts of one record."""

    record: Record
    modules: Mapping[str, nn.Module]
    table: Table
    whole: bool
    own: Mapping[str, nn.Parameter]
    weights: dict[str, Weights] = field(default_factory=dict)
    scales: dict[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    readers: dict[str, list[Call]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for call in self.record.calls:
            self.calls[call.id] = call
            for ref in call.refs():
                self.readers.setdefault(ref.id, []).append(call)
            kind = kind_of(call, self.table)
            holder = self.holder_of(call)
            if holder is None or kind is None:
                continue
            if "kernel" in kind.tags and (found := weights_of(holder, kind)):
                self.weights[call.id] = found
            elif "batchnorm" in kind.tags and (scale := scale_of(holder)):
                self.scales[call.id] = scale

    def holder_of(self, call: Call) -> object:
        """What holds the weights of a call: the real layer, or the parameters passed to it."""
        if isinstance(call.target, nn.Module):
            return self.modules.get(call.path) if call.path is not None else None
        return given_weights(call, self.own)

    def read(self, call: Call) -> None:
        """The facts that depend on the weights of one layer."""
        if call.id in self.weights:
            weights = self.weights[call.id]
            self.facts[call.id] = _of_rows(weights)
            if self.facts[call.id].get("init-rows-equal"):
                self.facts[call.id]["init-tied"] = self._stays_tied(call, weights)
        elif call.id in self.scales:
            self.facts[call.id] = {"init-dead-share": self._dead_channels(call)}

    def _dead_channels(self, norm: Call) -> float:
        """The share of a batch norm's channels that are never positive, for any input."""
        scale, shift = self.scales[norm.id]
        constant = scale == 0
        before = next((self.weights.get(ref.id) for ref in norm.refs()), None)
        if before is not None and len(before.rows) == len(scale):
            constant = constant | (before.norms == 0)
        return _share(constant & (shift <= 0))

    def _stays_tied(self, call: Call, weights: Weights) -> bool:
        """True if the kernels that follow surely treat all units alike, so that they stay equal."""
        if weights.bias is not None and not _all_equal(weights.bias):
            return False
        ahead = list(self._kernels_ahead(call))
        return bool(ahead) and all(w is not None and _treats_alike(w) for w in ahead)

    def _kernels_ahead(self, call: Call) -> Iterator[Weights | None]:
        """The weights that read the units of a kernel; None for what may read each in its way."""
        seen, waiting = {call.id}, [call.id]
        while waiting:
            source = waiting.pop()
            for reader in self.readers.get(source, ()):
                if reader.id in seen:
                    continue
                seen.add(reader.id)
                if reader.id in self.weights and reader.refs()[0].id == source:
                    yield self.weights[reader.id]
                elif self._passes_on(reader) and not self._adds_others(reader, seen):
                    waiting.append(reader.id)
                else:
                    yield None

    def _passes_on(self, reader: Call) -> bool:
        """True for an operation that treats all channels alike: none with weights, no slice."""
        kind = kind_of(reader, self.table)
        if reader.role != "op":
            return True
        return kind is not None and not reader.opaque and not kind.tags & _PICKS

    def _adds_others(self, reader: Call, known: Set[str]) -> bool:
        """True for a sum or product with values that come another way, and tell units apart."""
        kind = kind_of(reader, self.table)
        joins = kind is not None and "concat" in kind.tags
        return not joins and any(ref.id not in known for ref in reader.refs())

    def read_stretch(self, run: Sequence[Step]) -> None:
        """Predict the signal and gradient of a stretch whose input has a known scale."""
        if any(step.call.error is not None for step in run):
            return
        source = next((self.calls[ref.id] for ref in run[0].call.refs()), None)
        kind = kind_of(source, self.table) if source else None
        entry = self.whole and source is not None and source.target == "input"
        if not entry and (kind is None or not kind.tags & _SETS_SCALE):
            return
        first = next(step for step in run if step.weights is not None)
        assert first.weights is not None
        propagate(run, SignalMoments(wobble=2 / first.weights.inputs))
        died = self._read_deaths(run)
        ends = self.whole and run[-1].call.id in {ref.id for ref in self.record.outputs}
        prediction = predict(run, to_loss=ends)
        if prediction is not None:
            last = next(step for step in reversed(run) if step.weights is not None)
            self.facts[last.call.id].update({
                "init-first": prediction.first,
                "init-kernels": prediction.kernels,
                "init-scale": _rounded(prediction.scale),
                "init-signal": _rounded(prediction.signal),
                "init-gradient": _rounded(prediction.gradient),
                "init-scale-left": _in_words(prediction.scale),
                "init-signal-left": _in_words(prediction.signal),
                "init-gradient-left": _in_words(prediction.gradient),
                "init-gradient-too": _of_gradient(prediction.gradient),
                "init-kept": _rounded(_kept(prediction)),
                "init-dies": died,
            })  # fmt: skip

    def _read_deaths(self, run: Sequence[Step]) -> bool:
        """Predict the dead units of each kernel before a ReLU; true if biases kill a whole layer.

        Layers after the first such one get no signal, so nothing is predicted for them.
        """
        rectified = [
            (step, step.units)
            for step, after in pairwise(run)
            if step.units is not None and "relu-family" in after.kind.tags
        ]
        for n, (step, units) in enumerate(rectified):
            largest = DEVIATIONS[step.leaving > 1]
            dead = units.starting_dead(largest)
            by_bias = dead - units.without_bias().starting_dead(largest)
            self.facts[step.call.id].update(
                {"init-starting-dead": round(dead, 3), "init-dead-by-bias": round(by_bias, 3)}
            )
            if by_bias > _MOST:
                more = sum(_starts_dead(*other) for other in rectified[n + 1 :])
                self.facts[step.call.id]["init-dead-behind"] = _and_behind(more)
                return True
        return False


def _kept(prediction: Prediction) -> float:
    """What is left at the worse end; small weights at the end make the gradient before them small.

    That is no vanishing where a relative change of the weights has the same effect everywhere.
    """
    return min(prediction.signal, max(prediction.gradient, prediction.sensitivity))


def _and_behind(count: int) -> str:
    """How many layers behind a dead one start dead, too, as the end of a sentence."""
    if not count:
        return ""
    return f", and so do {count} layers behind it" if count > 1 else ", and so does one behind it"


def _starts_dead(step: Step, units: Units) -> bool:
    return units.starting_dead(DEVIATIONS[step.leaving > 1]) > _MOST


def _of_rows(weights: Weights) -> Facts:
    rows, bias = weights.rows, weights.bias
    dead = weights.norms == 0
    if bias is not None:
        dead = dead & (bias <= 0)
    return {
        "init-dead-share": _share(dead),
        "init-rows-equal": len(rows) > 1 and _all_equal(rows[:2]) and _all_equal(rows),
        "init-zero": bool((weights.norms == 0).all()),
    }


def _treats_alike(weights: Weights) -> bool:
    """True when each unit of a kernel has the same weight for all its input channels."""
    rows = weights.rows
    columns = rows.reshape(len(rows), -1, rows.shape[1] // max(weights.inputs, 1) or 1)
    return bool((columns == columns[:, :1]).all())


def _all_equal(values: torch.Tensor) -> bool:
    return bool((values == values[:1]).all())


def _share(chosen: torch.Tensor) -> float:
    return round(float(chosen.float().mean()), 4)


def _in_words(value: float) -> str:
    """The value for a message; below what floating point can tell from nothing, a bound."""
    return f"{value:.1g}" if value >= _LEAST else f"less than {_LEAST:g}"


def _of_gradient(value: float) -> str:
    """What else shrinks; nothing for a gradient that does not."""
    return f", and the gradient to {_in_words(value)}" if value < 1 else ""


def _rounded(value: float) -> float:
    """Rounded to two digits: the others are not significant and differ between machines."""
    return float(f"{value:.1e}")
