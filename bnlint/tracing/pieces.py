"""Piecewise: what a record could not see into is traced part by part, each part by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import nn

from bnlint.layers.calls import Call, Ref
from bnlint.layers.table import Table, is_leaf
from bnlint.tracing.describing.describe import Part
from bnlint.tracing.forward.registry import Registry
from bnlint.tracing.record import Record, Refused
from bnlint.tracing.tracers.symbolic import trace_symbolically


def trace_pieces(
    model: nn.Module, table: Table, record: Record
) -> tuple[list[Part], list[Refused]]:
    """The record as the first part, and a part for every piece of what it could not see into.

    Also the modules that stay opaque, with their reasons.
    """
    pieces = _Pieces(table, list(record.refused))
    pieces.see(record)
    parts = [Part(record)] if record.calls else []
    if not record.complete:
        parts += [p for path, child in _children("", model) for p in pieces.of(child, path)]
    return parts, pieces.hidden


@dataclass(slots=True)
class _Pieces:
    """Finds the pieces; remembers the layers that were seen and the modules that refused."""

    table: Table
    hidden: list[Refused]
    seen: set[int] = field(default_factory=set)

    def see(self, record: Record) -> None:
        """Take the layers that became calls of a record off the list."""
        self.seen.update(id(c.target) for c in record.calls if not c.opaque)

    def of(self, module: nn.Module, path: str) -> Iterator[Part]:
        """The parts of one module, none when all of its layers were seen."""
        leaves = [m for m in module.modules() if is_leaf(m, self.table)]
        fresh = [m for m in leaves if id(m) not in self.seen]
        if not fresh:
            return
        if is_leaf(module, self.table):
            self.seen.update(map(id, module.modules()))
            yield Part(_alone(module, path), path, whole=False)
            return
        untouched = len(fresh) == len(leaves)
        if untouched and all(r.path != path for r in self.hidden):
            yield from self._traced(module, path)
        for below, child in _children(path, module):
            yield from self.of(child, below)

    def _traced(self, module: nn.Module, path: str) -> Iterator[Part]:
        found = trace_symbolically(Registry(module, path), self.table)
        if isinstance(found, Refused):
            self.hidden.append(found)
            return
        self.hidden.extend(found.refused)
        self.see(found)
        found.left_out |= isinstance(module, nn.Sequential)  # its holder may use it as a list
        yield Part(found, path, whole=False)


def _alone(module: nn.Module, path: str) -> Record:
    """A record of one layer with nothing known around it."""
    calls = [Call("input", "input", ("input",)), Call("self", module, (Ref("input"),), path=path)]
    return Record("symbolic", calls, [Ref("self")])


def _children(path: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The children of a module; those of lists and dicts, which have no forward, in their place."""
    for name, child in module.named_children():
        full = f"{path}.{name}" if path else name
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _children(full, child)
        else:
            yield full, child
