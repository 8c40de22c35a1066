"""One model to one :class:`ModelGraph`: the ladder of tracers, shapes, both modes, description."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator
from dataclasses import replace
from types import CodeType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import ModelGraph, ModelRef, Opaque, Refusal, Trace
from bnlint.layers.of_modules import Layers
from bnlint.layers.table import Table, builtin_table, is_leaf
from bnlint.loading.sites import Locator, record_sites
from bnlint.models.guessing.guess import NONE, Guesses
from bnlint.tracing.belief import forget_others
from bnlint.tracing.describing.describe import describe_parts
from bnlint.tracing.describing.inventory import describe_modules
from bnlint.tracing.forward.registry import plainly_held, states_of
from bnlint.tracing.initial.facts import initial_facts
from bnlint.tracing.ladder import Climb, climb
from bnlint.tracing.lazies import without_numbers
from bnlint.tracing.pieces import trace_pieces


def trace_model(
    model: nn.Module,
    *,
    ref: ModelRef | None = None,
    inputs: Guesses | None = None,
    table: Table | None = None,
) -> ModelGraph:
    """The classified graph of ``model``, which itself is left as it is.

    ``inputs`` are on the meta device; without them the rules that need shapes stay undecided.
    """
    table = table or builtin_table()
    ref = ref or ModelRef("", type(model).__name__, "instance")
    meta = on_meta(model)
    with _in_training(meta):
        with record_sites(late=True), warnings.catch_warnings(), _quiet_rng():
            warnings.simplefilter("ignore")
            climbed = climb(meta, table, inputs or NONE)
            if ref.block and climbed.record.left_out and climbed.inputs.source == "inferred":
                forget_others(climbed.record, frozenset())  # what calls it may give all inputs
            eval_calls = _eval_calls(meta, table, climbed)
        return _describe(model, meta, ref, table, climbed, eval_calls)


def on_meta(model: nn.Module) -> nn.Module:
    """A copy of the model without its numbers; the model itself where it holds none."""
    held = [m for parent in model.modules() for _, m in plainly_held(parent)]
    states = [s for m in (model, *held) for s in states_of(m)]
    if all(s.is_meta for s in states):
        return model
    memo: dict[int, Any] = {id(s): _bare(s) for s in states}
    try:
        return copy.deepcopy(model, memo)
    except Exception:  # what can't be copied (locks, generators) is traced as it stands
        return model


def _bare(state: torch.Tensor) -> torch.Tensor:
    if is_lazy(state):
        return without_numbers(state)
    bare: torch.Tensor = torch.empty_like(state, device="meta")
    if isinstance(state, nn.Parameter):
        return nn.Parameter(bare, requires_grad=state.requires_grad)
    return bare


@contextlib.contextmanager
def _in_training(model: nn.Module) -> Iterator[None]:
    """Train mode inside the block; it may be the user's own model, if that is on meta."""
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def _quiet_rng() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # what is dropped by chance is the same every time
        yield


def _eval_calls(meta: nn.Module, table: Table, climbed: Climb) -> dict[int, int] | None:
    """How often each module is called in eval mode; None where that could not be seen whole.

    Traced only when it can differ: a layer was not called, or the code looks at ``training``.
    """
    calls = climbed.record.called
    if not climbed.complete:
        return None
    if not climbed.training:
        return calls
    if _all_called(meta, table, calls) and not _looks_at_mode(meta):
        return calls
    meta.eval()
    try:
        again = climb(meta, table, climbed.inputs)
    finally:
        meta.train()
    return again.record.called if again.complete else None


def _all_called(meta: nn.Module, table: Table, calls: dict[int, int]) -> bool:
    return all(id(m) in calls for m in meta.modules() if is_leaf(m, table))


def _looks_at_mode(meta: nn.Module) -> bool:
    """True when code outside torch reads ``.training`` somewhere in the classes of the model."""
    classes = {c for m in meta.modules() for c in type(m).__mro__}
    return any(
        "training" in code.co_names
        for cls in classes
        if not cls.__module__.startswith("torch.")
        for code in _codes(cls)
    )


def _codes(cls: type) -> Iterator[CodeType]:
    for value in vars(cls).values():
        code = getattr(value, "__code__", None)
        if isinstance(code, CodeType):
            yield code


def _describe(
    model: nn.Module,
    meta: nn.Module,
    ref: ModelRef,
    table: Table,
    climbed: Climb,
    eval_calls: dict[int, int] | None,
) -> ModelGraph:
    locator = Locator(ref.file)
    parts, hidden = trace_pieces(meta, table, climbed.record)
    parts = [
        replace(p, block=ref.block, initial=initial_facts(p.record, model, table, whole=p.whole))
        for p in parts
    ]
    layers = Layers(table)
    ops, edges = describe_parts(parts, layers, locator)
    record = climbed.record
    complete = climbed.complete
    modules = describe_modules(
        meta,
        layers,
        locator,
        record.called if complete and climbed.training else None,
        eval_calls if complete else None,
        record,
    )
    trace = Trace(
        record.tracer,
        complete,
        tuple(Opaque(r.path, r.reason, locator.locate(r.frames)) for r in hidden),
        tuple(Refusal(t, r.reason, locator.locate(r.frames)) for t, r in climbed.refusals),
    )
    return ModelGraph(
        replace(ref, inputs=climbed.described_inputs()),
        ops,
        edges,
        trace,
        modules,
        sum(p.numel() for p in model.parameters() if not is_lazy(p)),
    )
