"""A place in a live model: what stands around an operation, and how to put something else there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from bnlint.domain.graph import ModelGraph, Op


class Surroundings:
    """A traced graph with its neighbours at hand."""

    def __init__(self, graph: ModelGraph) -> None:
        self.graph = graph
        ops = {op.id: op for op in graph.ops}
        self._after: dict[str, list[Op]] = {op.id: [] for op in graph.ops}
        self._before: dict[str, list[Op]] = {op.id: [] for op in graph.ops}
        for edge in graph.edges:
            self._after[edge.source].append(ops[edge.target])
            self._before[edge.target].append(ops[edge.source])

    def after(self, op: Op) -> list[Op]:
        """What reads the result of ``op``."""
        return self._after[op.id]

    def reader(self, op: Op) -> Op | None:
        """The only reader of the result, if there is but one."""
        found = self._after[op.id]
        return found[0] if len(found) == 1 else None

    def source(self, op: Op) -> Op | None:
        """The only thing that ``op`` reads, if it is but one."""
        found = self._before[op.id]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Site:
    """An operation of a layer, in a model that may be changed."""

    model: nn.Module
    around: Surroundings
    op: Op

    @property
    def layer(self) -> nn.Module:
        """The layer itself."""
        return self.model.get_submodule(self.op.module)

    def put(self, path: str, new: nn.Module) -> None:
        """Set another module in the place of the one at ``path``."""
        parent, _, name = path.rpartition(".")
        self.model.get_submodule(parent)._modules[name] = new


def layer_ops(graph: ModelGraph) -> Iterator[Op]:
    """The operations that are the only call of a registered layer with a path of its own."""
    single = {m.path for m in graph.modules if m.leaf and m.calls == 1 and not m.aliases}
    return (op for op in graph.ops if op.layer == op.module and op.module in single)
