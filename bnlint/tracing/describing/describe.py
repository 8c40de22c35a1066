"""From what the tracers saw to the plain data that leaves the torch world."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import Edge, Op, Shape, Value
from bnlint.layers.calls import Call, Ref, dotted_name, name_of
from bnlint.layers.of_calls import arguments_of, function_facts, kind_of, refine
from bnlint.layers.of_modules import Layers, parameters_of
from bnlint.layers.table import Kind, Table
from bnlint.loading.sites import Locator, site_of
from bnlint.tracing.describing.dataflow import (
    collapse_self_gates,
    count_calls,
    data_sources,
    point_to_inplace,
)
from bnlint.tracing.record import Record


@dataclass(frozen=True, slots=True)
class Part:
    """One record of a model: the whole of it, or a piece below a module that refused.

    ``prefix`` keeps the ids of several parts apart; the ends of a piece are not the model's.
    ``block`` is true where something else of the same file holds the model and calls it, too.
    ``initial`` holds what the initial weights say of each call, by its id.
    """

    record: Record
    prefix: str = ""
    whole: bool = True
    block: bool = False
    initial: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


@dataclass(slots=True)
class Description:
    """The ops and edges of one part while they are put together."""

    layers: Layers
    locator: Locator
    part: Part
    ops: list[Op] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        """The table that classifies."""
        return self.layers.table

    def build(self) -> None:
        """Fill ``ops`` and ``edges`` from the calls of the part."""
        calls = self.part.record.calls
        self.values = {c.id: c.value for c in calls}
        sources = data_sources(calls)
        kept = [c for c in calls if c.role == "op" and c.id in sources]
        point_to_inplace(kept, sources, self.part.record.outputs)
        totals = count_calls(kept)
        self.numbers = _numbers(calls)
        seen: dict[int, int] = {}
        for call in kept:
            index = seen.get(id(call.target), 0)
            seen[id(call.target)] = index + 1
            self._add(call, sources, index, totals.get(id(call.target), 1))
        self._add_output(sources)
        self.ops, self.edges = collapse_self_gates(self.ops, self.edges, self.table)

    def _add(self, call: Call, sources: Mapping[str, str], index: int, total: int) -> None:
        inputs = [r for r in call.data() if r.id in sources]
        op = self._op(call, index, total, inputs, len({sources[r.id] for r in inputs}))
        self.ops.append(op)
        for slot, ref in enumerate(inputs):
            self.edges.append(Edge(self._name(sources[ref.id]), op.id, slot))

    def _op(
        self, call: Call, index: int, total: int, inputs: Iterable[Ref], data_inputs: int
    ) -> Op:
        module = call.target if isinstance(call.target, nn.Module) else None
        kind = self._kind(call)
        facts: dict[str, Value] = {"registered": not call.held, "grad": call.grad}
        facts.update({"call-index": index, "calls": total})
        facts.update(self.part.initial.get(call.id, {}))
        if self.part.record.left_out and (self.part.block or not self.part.whole):
            facts["alone"] = True
        if call.held:
            facts["held"] = call.held
        if module is not None:
            facts.update(self._module_facts(module, kind))
            facts["composite"] = bool(module._modules)
            facts["custom"] = not _is_torchs(module)
        elif call.target not in ("input", "output"):
            facts.update(self._function_facts(call, kind))
        kind = refine(kind, facts, call, self.table, data_inputs)
        construction = None
        if module is not None and (site := site_of(module)) is not None:
            construction = self.locator.locate(site.frames)
        return Op(
            self._name(call.id),
            kind.name,
            kind.tags,
            _layer_name(call),
            call.path if call.path is not None else call.owner,
            self.layers.names(module) if module is not None else (dotted_name(call.target),),
            facts,
            inputs=tuple(_shape_of(self.values.get(r.id)) for r in inputs),
            outputs=tuple(_shapes_of(call.value)),
            call=self.locator.locate(call.frames),
            construction=construction,
            error=call.error,
            number=self.numbers[call.id],
        )

    def _kind(self, call: Call) -> Kind:
        if call.opaque:
            return self.table.kind("opaque")
        if call.target == "input":
            return self.table.kind("input" if self.part.whole else "opaque")
        return kind_of(call, self.table) or self.table.kind("other")

    def _module_facts(self, module: nn.Module, kind: Kind) -> dict[str, Value]:
        parameters = list(parameters_of(module))
        return {
            "class": type(module).__name__,
            "training": module.training,
            "trainable": any(p.requires_grad for p in parameters),
            "parameters": len(parameters),
            **self.layers.facts(module, kind),
        }

    def _function_facts(self, call: Call, kind: Kind) -> dict[str, Value]:
        name = name_of(call.target)
        facts: dict[str, Value] = {"class": name}
        facts.update(function_facts(name, kind, arguments_of(call.target, call.args, call.kwargs)))
        return facts

    def _add_output(self, sources: Mapping[str, str]) -> None:
        kind = self.table.kind("output" if self.part.whole else "opaque")
        name = self._name("=output")  # no call's id: a layer of the model may be called output
        self.ops.append(Op(name, kind.name, kind.tags, "output", "", (), {}))
        known = [r for r in self.part.record.outputs if r.id in sources]
        for slot, ref in enumerate(known):
            self.edges.append(Edge(self._name(sources[ref.id]), name, slot))

    def _name(self, call_id: str) -> str:
        return f"{self.part.prefix}/{call_id}" if self.part.prefix else call_id


def describe_parts(
    parts: Iterable[Part], layers: Layers, locator: Locator
) -> tuple[tuple[Op, ...], tuple[Edge, ...]]:
    """The ops and edges of all parts, in the order of the parts."""
    ops: list[Op] = []
    edges: list[Edge] = []
    for part in parts:
        description = Description(layers, locator, part)
        description.build()
        ops += description.ops
        edges += description.edges
    return tuple(ops), tuple(edges)


def _shape_of(value: Any) -> Shape | None:
    found = list(_shapes_of(value))
    return found[0] if found else None


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


def _numbers(calls: Iterable[Call]) -> dict[str, int]:
    """Which call of its layer each is; the probe counts in the same way while a model runs."""
    seen: Counter[str] = Counter()
    found = {}
    for call in calls:
        layer = _layer_name(call)
        found[call.id] = seen[layer]
        seen[layer] += 1
    return found


def _layer_name(call: Call) -> str:
    if isinstance(call.target, nn.Module):
        return call.path or type(call.target).__name__
    if call.target == "input":
        return str(call.args[0]) if call.args else "input"
    name = f"{name_of(call.target).strip('_')}()"
    return f"{call.owner}.{name}" if call.owner else name


def _is_torchs(module: nn.Module) -> bool:
    """True when the forward that runs is torch's own, so that the attributes mean what they say."""
    forward = "forward" in vars(module) or type(module).forward
    return getattr(forward, "__module__", "").startswith("torch.")
