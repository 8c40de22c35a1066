"""The modules of a model that could not be traced as part of it, traced one by one.

A module is traced symbolically, which takes no inputs. Where that fails, its forward is run with
the arguments that the module got before the model's forward failed, with those of another module
of its class, or with guessed ones. What an invented call does proves no fault: errors are
forgotten, and of a call that no forward made also all shapes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

import torch
from torch import nn

from bnlint.layers.calls import Call, Ref
from bnlint.layers.table import Table, is_leaf
from bnlint.models.guessing.guess import Guess
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.tracing.believing.forgetting import forget_others
from bnlint.tracing.believing.runs import failed
from bnlint.tracing.describing import TracedPart
from bnlint.tracing.ladder import Climb
from bnlint.tracing.search_clock import SearchClock
from bnlint.tracing.shapes import clear_values
from bnlint.tracing.tracers import Record, Refused
from bnlint.tracing.tracers.recorded import record_forward
from bnlint.tracing.tracers.symbolic import trace_symbolically

_GUESSED = 3
"""Guessed calls of one module that are tried."""

_PLAIN = (bool, int, float, str, torch.Tensor, tuple, list, dict)


def trace_pieces(
    model: nn.Module, table: Table, climbed: Climb
) -> tuple[list[TracedPart], list[Refused], tuple[str, ...]]:
    """The record as the first part, then a part for each piece of the modules that refused.

    Also the modules that remain opaque, with the reasons, and the paths of the pieces that were
    traced with guessed inputs.
    """
    record = climbed.record
    classes = {id(module): type(module) for module in model.modules()}
    given = {classes[key]: guess for key, guess in climbed.entered.items() if key in classes}
    pieces = _Pieces(table, climbed.entered, given, list(record.refused))
    pieces.see(record)
    parts = [TracedPart(record)] if record.calls else []
    if not record.complete:
        parts += [p for path, child in _children("", model) for p in pieces.of(child, path)]
        pieces.hidden = pieces.hidden or record.refused[:1]
    return parts, pieces.hidden, tuple(pieces.guessed)


@dataclass(slots=True)
class _Pieces:
    """Finds the pieces; keeps track of the layers already traced and the modules that refused.

    ``entered`` are the arguments that modules got, ``given`` one of those for each class.
    """

    table: Table
    entered: Mapping[int, Guess]
    given: dict[type, Guess]
    hidden: list[Refused]
    guessed: list[str] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    clock: SearchClock = field(default_factory=SearchClock)
    hopeless: set[type] = field(default_factory=set)

    def see(self, record: Record) -> None:
        """Note the layers that a record already shows as calls."""
        self.seen.update(id(c.target) for c in record.calls if not c.opaque)

    def of(self, module: nn.Module, path: str) -> Iterator[TracedPart]:
        """The parts of one module; none if all of its layers were already traced."""
        leaves = [m for m in module.modules() if is_leaf(m, self.table)]
        fresh = [m for m in leaves if id(m) not in self.seen]
        if not fresh:
            return
        if is_leaf(module, self.table):
            self.seen.update(map(id, module.modules()))
            yield TracedPart(_alone(module, path), path, whole=False)
            return
        if len(fresh) == len(leaves):
            yield from self._traced(module, path)
        for below, child in _children(path, module):
            yield from self.of(child, below)

    def _traced(self, module: nn.Module, path: str) -> Iterator[TracedPart]:
        found = self._symbolic(module, path)
        if (run := None if found.complete else self._run(module, path)) is not None:
            found = run
            self.hidden = [r for r in self.hidden if not f"{r.path}.".startswith(f"{path}.")]
        self.hidden.extend(found.refused)
        if found.complete or found.calls:
            self.see(found)
            yield TracedPart(found, path, whole=False)

    def _symbolic(self, module: nn.Module, path: str) -> Record:
        """What can be traced without inputs; nothing of a module that refused before."""
        refused = [r for r in self.hidden if r.path == path]
        if refused:
            self.hidden = [r for r in self.hidden if r.path != path]
            return Record("symbolic", refused=refused)
        found = trace_symbolically(module, self.table, Guess(), path)
        found.left_out |= isinstance(module, nn.Sequential)  # its owner may iterate over it
        return found

    def _run(self, module: nn.Module, path: str) -> Record | None:
        """The recorded forward of the module; None if it fails with all calls that are known."""
        for call in _own_calls(module, self.entered.get(id(module))):
            record = record_forward(module, self.table, call, path)
            if record.complete:
                forget_others(record, frozenset())
                return record
        for call in self._other_calls(module):
            record = record_forward(module, self.table, call, path)
            if record.complete and not failed(record):
                self.given.setdefault(type(module), call)
                self.guessed.append(path)
                clear_values(record)
                return record
        self.hopeless.add(type(module))
        return None

    def _other_calls(self, module: nn.Module) -> Iterator[Guess]:
        """A call that another module of the class got, then guessed ones, as time allows."""
        if (known := self.given.get(type(module))) is not None:
            yield _without_objects(module, known)
        if type(module) in self.hopeless:
            return
        self.clock.start(0.0)
        yield from self.clock.within(islice(_guessed(module), _GUESSED))


def _own_calls(module: nn.Module, own: Guess | None) -> Iterator[Guess]:
    """The call that a module got, first without what the failed forward may have changed."""
    if own is not None:
        yield (bare := _without_objects(module, own))
        if bare is not own:
            yield own


def _guessed(module: nn.Module) -> Iterator[Guess]:
    try:
        yield from infer(module)
    except Exception:  # an odd object in the module
        return


def _without_objects(module: nn.Module, call: Guess) -> Guess:
    """The call without what it can do without and a forward changes: a cache of keys and values."""
    try:
        bound = inspect.signature(module.forward).bind(*call.args, **call.kwargs)
    except (TypeError, ValueError):
        return call
    given, parameters = bound.arguments, bound.signature.parameters
    optional = [name for name in given if parameters[name].default is None]
    held = [n for n in optional if given[n] is not None and not isinstance(given[n], _PLAIN)]
    if not held:
        return call
    given.update(dict.fromkeys(held))
    return replace(call, args=bound.args, kwargs=bound.kwargs)


def _alone(module: nn.Module, path: str) -> Record:
    """A record of a single layer, without what comes before and after it."""
    calls = [Call("input", "input", ("input",)), Call("self", module, (Ref("input"),), path=path)]
    return Record("symbolic", calls, [Ref("self")])


def _children(path: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The children of a module, with those of a list or dict instead of the list or dict."""
    for name, child in module.named_children():
        full = f"{path}.{name}" if path else name
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _children(full, child)
        else:
            yield full, child
