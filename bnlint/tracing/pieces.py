"""Piecewise: below a module that refused, each part is traced by itself."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from bnlint.tracing.classify import Table, is_leaf
from bnlint.tracing.describe import Part
from bnlint.tracing.modules import Registry
from bnlint.tracing.record import Call, Record, Ref, Refused
from bnlint.tracing.tracers.symbolic import trace_symbolically


def trace_pieces(
    model: nn.Module, table: Table, record: Record
) -> tuple[list[Part], list[Refused]]:
    """The record as the first part, and a part for every piece of what it could not see into.

    Also the modules that stay opaque, with their reasons.
    """
    parts = [Part(record)] if record.calls else []
    hidden = list(record.refused)
    seen = {id(c.target) for c in record.calls if not c.opaque}
    for refused in record.refused:
        module = _find(model, refused.path)
        if module is not None:
            for path, child in _children(refused.path, module):
                parts += _pieces(child, path, table, seen, hidden)
    return parts, hidden


def _pieces(
    module: nn.Module, path: str, table: Table, seen: set[int], hidden: list[Refused]
) -> Iterator[Part]:
    """The parts of one module that is not reached from above."""
    fresh = [m for m in module.modules() if is_leaf(m, table) and id(m) not in seen]
    if not fresh:
        return
    if is_leaf(module, table):
        seen.update(map(id, module.modules()))
        yield Part(_alone(module, path), path, whole=False)
        return
    found = trace_symbolically(Registry(module, path), table)
    if isinstance(found, Refused):
        hidden.append(found)
        below = [found]
    else:
        seen.update(id(c.target) for c in found.calls if not c.opaque)
        hidden.extend(found.refused)
        below = found.refused
        yield Part(found, path, whole=False)
    for refused in below:
        inner = _find(module, refused.path.removeprefix(path).lstrip("."))
        if inner is not None:
            for child_path, child in _children(refused.path, inner):
                yield from _pieces(child, child_path, table, seen, hidden)


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


def _find(model: nn.Module, path: str) -> nn.Module | None:
    try:
        return model.get_submodule(path)
    except AttributeError:
        return None
