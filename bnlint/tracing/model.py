"""One model to one :class:`ModelGraph`: copy, trace in both modes, description."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from bnlint.domain.graph import ModelGraph, ModelRef, Opaque, Refusal, Trace
from bnlint.layers.of_modules import Layers
from bnlint.layers.table import Table, builtin_table
from bnlint.loading.sites import Locator, record_sites
from bnlint.models.guessing.guess import NONE, Guesses
from bnlint.tracing.bare import in_training, on_meta
from bnlint.tracing.belief import forget_others
from bnlint.tracing.describing.describe import describe_parts
from bnlint.tracing.describing.inventory import describe_modules
from bnlint.tracing.initial.facts import initial_facts
from bnlint.tracing.ladder import Climb, climb
from bnlint.tracing.modes import watched_mode
from bnlint.tracing.pieces import trace_pieces


@dataclass(frozen=True, slots=True)
class BothModes:
    """What was seen in train mode and in eval mode; one climb where the mode makes no difference.

    ``training`` is the one that is described. It shows the eval mode where only that could be seen.
    """

    training: Climb
    evaluation: Climb

    def train_calls(self) -> dict[int, int] | None:
        """How often each module is called in train mode; None where that was not seen whole."""
        whole = self.training.complete and self.training.training
        return self.training.record.called if whole else None

    def eval_calls(self) -> dict[int, int] | None:
        """How often each module is called in eval mode; None where that was not seen whole."""
        whole = self.training.complete and self.evaluation.complete
        return self.evaluation.record.called if whole else None


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
    with in_training(meta):
        with record_sites(late=True), warnings.catch_warnings(), _quiet_rng():
            warnings.simplefilter("ignore")
            seen = _trace_modes(meta, table, inputs or NONE)
        climbed = seen.training
        if ref.block and climbed.record.left_out and climbed.inputs.source == "inferred":
            forget_others(climbed.record, frozenset())  # what calls it may provide all inputs
        return _describe(model, meta, ref, table, seen)


def _trace_modes(meta: nn.Module, table: Table, inputs: Guesses) -> BothModes:
    """The eval mode is traced only if the code that ran may do something else there."""
    with watched_mode(meta, table) as watch:
        climbed = climb(meta, table, inputs)
    if not (watch.differs and climbed.complete and climbed.training):
        return BothModes(climbed, climbed)
    meta.eval()
    try:
        return BothModes(climbed, climb(meta, table, climbed.inputs))
    finally:
        meta.train()


@contextlib.contextmanager
def _quiet_rng() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # what is dropped by chance is the same every time
        yield


def _describe(
    model: nn.Module, meta: nn.Module, ref: ModelRef, table: Table, seen: BothModes
) -> ModelGraph:
    climbed = seen.training
    record, locator, layers = climbed.record, Locator(ref.file), Layers(table)
    parts, hidden = trace_pieces(meta, table, record)
    parts = [
        replace(p, block=ref.block, initial=initial_facts(p.record, model, table, whole=p.whole))
        for p in parts
    ]
    ops, edges = describe_parts(parts, layers, locator)
    modules = describe_modules(meta, layers, locator, seen.train_calls(), seen.eval_calls(), record)
    trace = Trace(
        record.tracer,
        climbed.complete,
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
