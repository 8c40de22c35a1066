"""From the calls that a tracer recorded to operations and edges: plain data without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import Edge, Op, Shape, Value
from bnlint.domain.objects import home_of
from bnlint.layers.calls import RAISED, Call, Ref, dotted_name, name_of
from bnlint.layers.of_axes import SizeOf, axis_facts, sizes_read
from bnlint.layers.of_calls import arguments_of, function_facts, kind_of, refine
from bnlint.layers.of_modules import Layers, parameters_of
from bnlint.layers.table import Kind, Table
from bnlint.loading.sites import Locator, site_of
from bnlint.models.nested import tensors
from bnlint.tracing.describing.dataflow import (
    collapse_self_gates,
    data_sources,
    point_to_inplace,
    point_to_written,
)
from bnlint.tracing.describing.exact import ExactText
from bnlint.tracing.describing.forgotten import forgotten_calls
from bnlint.tracing.describing.loose_tensors import loose_facts, made_of_loose
from bnlint.tracing.describing.usage import usage_facts
from bnlint.tracing.tracers import Record


@dataclass(frozen=True, slots=True)
class TracedPart:
    """One record of a model: all of it, or a part of a module that could not be traced.

    ``prefix`` keeps the ids of several parts apart. ``whole`` is true if the inputs and outputs
    are those of the model. ``block`` is true if another model of the same file calls this one.
    ``facts`` holds more facts by the ids of calls: about initial weights, and the other mode.
    """

    record: Record
    prefix: str = ""
    whole: bool = True
    block: bool = False
    facts: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


@dataclass(slots=True)
class Description:
    """The operations and edges of one part, while they are collected."""

    layers: Layers
    locator: Locator
    part: TracedPart
    keys: Mapping[int, str] = field(default_factory=dict)
    loose: Mapping[int, str] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    shapes: dict[str, tuple[Shape, ...]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, tuple[str, int]] = field(default_factory=dict)
    sizes: Mapping[str, SizeOf] | None = None
    forgotten: frozenset[str] = frozenset()
    made_of_loose: Mapping[str, str] = field(default_factory=dict)
    exact: ExactText = field(init=False)

    @property
    def table(self) -> Table:
        """The table that classifies layers and functions."""
        return self.layers.table

    def build(self) -> None:
        """Fill ``ops`` and ``edges`` from the calls of the part."""
        calls = self.part.record.calls
        self.shapes = {c.id: tuple(_shapes_of(c.value)) for c in calls}
        self.values = {c.id: c.value for c in calls}
        sources = data_sources(calls)
        if point_to_written(calls, sources, self.part.record.outputs):
            sources = data_sources(calls)
        kept = [c for c in calls if c.id in sources and (c.role == "op" or c.error is not None)]
        point_to_inplace(kept, sources, self.part.record.outputs)
        totals = Counter(id(c.target) for c in kept if isinstance(c.target, nn.Module))
        self.numbers = _numbers(calls)
        symbolic = self.part.record.tracer == "symbolic"  # in others, sizes are plain numbers
        self.sizes = sizes_read(calls) if symbolic else None
        self.exact = ExactText({c.id: c for c in calls}, sources, self.keys)
        self.made_of_loose = made_of_loose(calls, sources, self.loose)
        self.forgotten = forgotten_calls(kept, sources, self.part.record.outputs)
        seen: Counter[int] = Counter()
        for call in kept:
            key = id(call.target)
            self._add(call, sources, seen[key], totals.get(key, 1))
            seen[key] += 1
        self._add_output(sources)
        self.ops, self.edges = collapse_self_gates(self.ops, self.edges, self.table)

    def _add(self, call: Call, sources: Mapping[str, str], index: int, total: int) -> None:
        inputs = [r for r in call.data() if r.id in sources]
        op = self._op(call, index, total, inputs, len({sources[r.id] for r in inputs}))
        self.ops.append(op)
        for slot, ref in enumerate(inputs):
            self.edges.append(Edge(self._name(sources[ref.id]), op.id, slot))

    def _op(
        self, call: Call, index: int, total: int, inputs: Sequence[Ref], data_inputs: int
    ) -> Op:
        module = call.target if isinstance(call.target, nn.Module) else None
        kind, (layer, number) = self._kind(call), self.numbers[call.id]
        facts = self._circumstances(call, index, total)
        facts |= usage_facts(call, inputs, self.values, total)
        facts |= loose_facts(call, self.loose, self.made_of_loose)
        if module is not None:
            self._add_module_facts(facts, module, kind)
        elif call.target not in ("input", "output"):
            facts |= self._function_facts(call, kind)
        kind = refine(kind, facts, call, self.table, data_inputs)
        exact, reads = self.exact.of(call, inputs)
        site = site_of(module) if module is not None else None
        if library := self.locator.library(site.frames if site else call.frames):
            facts["library"] = library
        return Op(
            self._name(call.id),
            kind.name,
            kind.tags,
            layer,
            call.path if call.path is not None else call.owner,
            self.layers.names(module) if module is not None else (dotted_name(call.target),),
            facts,
            inputs=tuple([next(iter(self.shapes.get(r.id, ())), None) for r in inputs]),
            outputs=self.shapes[call.id],
            call=self.locator.locate(call.frames),
            construction=self.locator.locate(site.frames) if site else None,
            error=call.error,
            number=number,
            exact=exact,
            reads=reads,
            memory=_bytes_of(call.value),
        )

    def _circumstances(self, call: Call, index: int, total: int) -> dict[str, Value]:
        """What is true of a call whatever it calls."""
        facts: dict[str, Value] = {
            "registered": not call.held,
            "grad": call.grad,
            "call-index": index,
            "calls": total,
            **self.part.facts.get(call.id, {}),
        }
        if call.id in self.forgotten:
            facts["dropped"] = True
        if self.part.record.left_out and (self.part.block or not self.part.whole):
            facts["alone"] = True
        if call.held:
            facts["held"] = call.held
        return facts

    def _kind(self, call: Call) -> Kind:
        if call.opaque:
            return self.table.kind("opaque")
        if call.also:
            return self.table.kind("step")
        if call.target == "input":
            return self.table.kind("input" if self.part.whole else "opaque")
        return kind_of(call, self.table) or self.table.kind("other")

    def _function_facts(self, call: Call, kind: Kind) -> dict[str, Value]:
        name = name_of(call.target)
        arguments = arguments_of(call.target, call.args, call.kwargs)
        read = function_facts(name, kind, arguments) | axis_facts(call, self.sizes)
        return {"class": name, **read}

    def _add_module_facts(self, facts: dict[str, Value], module: nn.Module, kind: Kind) -> None:
        parameters = list(parameters_of(module))
        facts["class"] = type(module).__name__
        facts["training"] = module.training
        facts["trainable"] = any(p.requires_grad for p in parameters)
        facts["parameters"] = len(parameters)
        facts |= self.layers.facts(module, kind)
        facts["composite"] = bool(module._modules)
        facts["custom"] = not _is_torchs(module)

    def _add_output(self, sources: Mapping[str, str]) -> None:
        kind = self.table.kind("output" if self.part.whole else "opaque")
        name = self._name("=output")  # no call's id: a layer of the model may be called output
        record = self.part.record
        seen = [n for n, ref in enumerate(record.outputs) if ref.id in sources]
        known = [record.outputs[n] for n in seen]
        facts: dict[str, Value] = {}
        if len(record.places) == len(record.outputs):
            facts["places"] = tuple(record.places[n] for n in seen)
        exact = self.exact.of_output(known)
        self.ops.append(Op(name, kind.name, kind.tags, "output", "", (), facts, exact=exact))
        for slot, ref in enumerate(known):
            self.edges.append(Edge(self._name(sources[ref.id]), name, slot))

    def _name(self, call_id: str) -> str:
        return f"{self.part.prefix}/{call_id}" if self.part.prefix else call_id


def describe_parts(
    parts: Iterable[TracedPart],
    layers: Layers,
    locator: Locator,
    keys: Mapping[int, str] | None = None,
    loose: Mapping[int, str] | None = None,
) -> tuple[tuple[Op, ...], tuple[Edge, ...]]:
    """The operations and edges of all parts, in the order of the parts.

    ``keys`` are those of the model's states by identity, ``loose`` the names of tensors that it
    does not register.
    """
    ops: list[Op] = []
    edges: list[Edge] = []
    for part in parts:
        description = Description(layers, locator, part, keys or {}, loose or {})
        description.build()
        ops += description.ops
        edges += description.edges
    return tuple(ops), tuple(edges)


def _bytes_of(value: Any) -> int | None:
    """The bytes of all tensors of a result; None if it is not known."""
    found = [t for t in tensors(value) if not is_lazy(t)]
    return sum(t.numel() * t.element_size() for t in found) if found else None


def _shapes_of(value: Any) -> Iterator[Shape]:
    if isinstance(value, torch.Tensor):
        if not is_lazy(value):
            yield tuple(map(int, value.shape))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _shapes_of(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _shapes_of(item)


def _numbers(calls: Iterable[Call]) -> dict[str, tuple[str, int]]:
    """The layer of each call and which call of it this is; the probe counts in the same way."""
    seen: Counter[str] = Counter()
    found = {}
    for call in calls:
        layer = layer_name(call)
        found[call.id] = layer, seen[layer]
        seen[layer] += 1
    return found


def layer_name(call: Call) -> str:
    """The name of the layer that a call runs, or of a function and the module that calls it."""
    if isinstance(call.target, nn.Module):
        return call.path or type(call.target).__name__
    if call.target == "input":
        return str(call.args[0]) if call.args else "input"
    if call.target == RAISED:
        return call.owner or "forward"
    name = f"{name_of(call.target).strip('_')}()"
    return f"{call.owner}.{name}" if call.owner else name


def _is_torchs(module: nn.Module) -> bool:
    """True if the forward is torch's own, so that the attributes mean what torch documents."""
    forward = "forward" in vars(module) or getattr(type(module), "forward", None)
    return home_of(forward).startswith("torch.")
