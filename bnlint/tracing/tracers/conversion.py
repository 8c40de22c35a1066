"""From the nodes of an fx graph to the calls of a record."""

from __future__ import annotations

import operator
from typing import Any

from torch import fx

from bnlint.layers.calls import (
    UNSEEN,
    Call,
    Ref,
    State,
    dotted_name,
    frees,
    name_of,
    schema_of,
)
from bnlint.layers.table import Kind, Table, having
from bnlint.models.nested import placed
from bnlint.tracing.forward.module_names import Registry
from bnlint.tracing.tracers import Record

_NOT_TENSORS = frozenset(
    ("size", "dim", "ndimension", "numel", "element_size", "is_floating_point", "is_complex",
     "is_cuda", "get_device", "stride", "storage_offset", "nelement", "len", "_assert",
     "_assert_is_none", "is_contiguous", "data_ptr")
)  # fmt: skip
_NOT_TENSOR_ATTRIBUTES = frozenset(
    ("shape", "device", "dtype", "ndim", "requires_grad", "is_cuda", "layout", "is_sparse",
     "is_quantized", "itemsize")
)  # fmt: skip
_YIELD_TUPLES = having("acts", "returning-tuples")


def to_record(graph: fx.Graph, registry: Registry, table: Table, record: Record) -> Record:
    """The record, with the calls, reads and outputs of a traced graph added."""
    conversion = _Conversion(registry, table, record)
    for node in graph.nodes:
        conversion.add(node)
    record.strays = registry.outermost_strays()
    return record


class _Conversion:
    """Converts fx nodes to calls; separates operations from sizes and elements of tuples."""

    def __init__(self, registry: Registry, table: Table, record: Record) -> None:
        self.registry = registry
        self.table = table
        self.record = record
        self.values: dict[fx.Node, Any] = {}
        self.numbers: set[fx.Node] = set()
        self.tuples: set[fx.Node] = set()

    def add(self, node: fx.Node) -> None:
        if node.op == "call_module":
            self._append(node)
        elif node.op == "output":
            for place, part in placed(node.args[0], fx.Node):
                self._output(part, place)
        elif node.op == "get_attr":
            # fx itself keeps objects that are no tensors (script objects) as attributes
            state = node.meta.get("state") or State(str(node.target), ())
            self.values[node] = state
            self.record.reads.add(state.path)
        elif frees(node.target, node.args):
            self.values[node] = self.values.get(node.all_input_nodes[0])
        elif (weight := self._reshaped(node)) is not None:
            self.values[node] = weight
        else:
            self._append(node)

    def _append(self, node: fx.Node) -> None:
        self.record.calls.append(self._call(node, self._role(node)))
        self.values[node] = Ref(node.name)

    def _reshaped(self, node: fx.Node) -> State | None:
        """The weight of an exported layer that is transposed before the multiplication."""
        if schema_of(node.target) is None or len(node.all_input_nodes) != 1:
            return None
        state, kind = self._value(node.all_input_nodes[0]), self._kind(node)
        if not isinstance(state, State) or state.tensor is None:
            return None
        if kind is None or "reshape" not in kind.tags:
            return None
        tensor = node.target(state.tensor, *node.args[1:], **node.kwargs)  # type: ignore[operator]
        return State(state.path, tuple(tensor.shape), state.parameter, tensor)

    def _value(self, node: fx.Node) -> Any:
        """The value of a node; None if it was removed with a module that refused.

        The node of a size is created at its first use, which may be in that module.
        """
        return self.values.get(node)

    def _output(self, node: fx.Node, place: str) -> None:
        value = self._value(node)
        if isinstance(value, Ref) and node not in self.numbers:
            self.record.outputs.append(value)
            self.record.places.append(place)

    def _role(self, node: fx.Node) -> str:
        if node.op != "call_module":
            if self._is_number(node):
                self.numbers.add(node)
                return "number"
            if self._is_pick(node):
                return "pick"
        kind = self._kind(node)
        schema = schema_of(node.target)
        several = schema is not None and len(schema.returns) > 1
        several |= kind is not None and not _YIELD_TUPLES.isdisjoint(kind.tags)
        if several or node.meta.get("opaque", False):
            self.tuples.add(node)
            node.meta["nested"] = kind is not None and "recurrent" in kind.tags
        return "op"

    def _is_number(self, node: fx.Node) -> bool:
        """True for sizes, shapes and flags, and for values computed only from these."""
        if node.op == "placeholder":
            return False
        name = name_of(node.target)
        if name in _NOT_TENSORS:
            return True
        if node.target is getattr and node.args[1] in _NOT_TENSOR_ATTRIBUTES:
            return True
        inputs = node.all_input_nodes
        if name == "copy_" and isinstance(self._value(inputs[0]), State):
            return schema_of(node.target) is not None  # an exported norm updates its statistics
        return bool(inputs) and all(n in self.numbers for n in inputs)

    def _is_pick(self, node: fx.Node) -> bool:
        """True if ``node`` only takes an element of a tuple that an operation returned."""
        if node.target is not operator.getitem or not isinstance(node.args[0], fx.Node):
            return False
        source, key = node.args[0], node.args[1]
        several = source in self.tuples or isinstance(source.meta.get("value"), (tuple, list))
        if not several or not isinstance(key, (int, slice)):
            return False
        if isinstance(key, slice) or source.meta.get("nested"):
            self.tuples.add(node)
        return True

    def _kind(self, node: fx.Node) -> Kind | None:
        module = node.meta.get("module")
        if module is not None:
            return self.table.of_module(module)
        return self.table.of_function(name_of(node.target), dotted_name(node.target))

    def _call(self, node: fx.Node, role: str) -> Call:
        meta, kwargs = node.meta, node.kwargs
        module = meta.get("module")
        entry = node.op == "placeholder"
        target = "input" if entry else node.target if module is None else module
        return Call(
            node.name,
            target,
            (node.target,) if entry else fx.node.map_arg(node.args, self._value),
            dict(fx.node.map_arg(kwargs, self._value)) if kwargs else {},
            owner=meta["owner"],
            path=meta.get("path"),
            frames=meta["frames"],
            grad=meta["grad"],
            held=self.registry.held(module) if module is not None else "",
            opaque=meta.get("opaque", False),
            role=role,
            value=meta.get("value", UNSEEN),
            error=meta.get("error"),
            kept=meta.get("kept", False),
            recomputed=meta.get("recomputed", False),
        )
