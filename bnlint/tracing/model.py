"""From a model to its :class:`ModelGraph`: a copy is traced in both modes and described.

Modules that could not be traced as part of the model are traced one by one.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import fx, nn

from bnlint.domain.graph import ModelGraph, ModelRef, Opaque, Refusal, Trace, Unfit, Value
from bnlint.layers.of_modules import Layers
from bnlint.layers.table import Table, builtin_table
from bnlint.loading.sites import Locator, record_sites
from bnlint.models.guessing.guess import NONE, Guesses
from bnlint.models.reading.decorated import decorated_revealed
from bnlint.tracing.bare import in_training, on_meta, same_attributes
from bnlint.tracing.believing.forgetting import forget_chosen, forget_others
from bnlint.tracing.climbing import climb
from bnlint.tracing.describing import TracedPart, describe_parts, layer_name
from bnlint.tracing.describing.code_digests import short_digest
from bnlint.tracing.describing.entries import entry_facts
from bnlint.tracing.describing.inventory import describe_modules, size_of
from bnlint.tracing.describing.loose_tensors import names_of_loose
from bnlint.tracing.describing.states import describe_states, keys_of
from bnlint.tracing.forward.module_names import parameters_by_id
from bnlint.tracing.initial import initial_facts
from bnlint.tracing.ladder import Climb
from bnlint.tracing.modes.other_mode import has_loose_dropout, mode_facts
from bnlint.tracing.modes.reads_of_mode import watched_mode
from bnlint.tracing.modes.switching import Switched, overrides_switch
from bnlint.tracing.pieces import trace_pieces
from bnlint.tracing.process_state import process_state, seed_all
from bnlint.tracing.search_clock import SearchClock
from bnlint.tracing.tracers import Record


@dataclass(frozen=True, slots=True)
class BothModes:
    """What was traced in train mode and in eval mode; the same if the mode makes no difference.

    ``training`` is the one that is described; it is in eval mode if only that could be traced.
    ``loose`` are the names of tensors that the model should have registered, by identity.
    """

    training: Climb
    evaluation: Climb
    loose: Mapping[int, str] = field(default_factory=dict)

    def train_calls(self) -> dict[int, int] | None:
        """The number of calls of each module in train mode; None if it was only partly traced."""
        whole = self.training.complete and self.training.training
        return self.training.record.called if whole else None

    def eval_calls(self) -> dict[int, int] | None:
        """The number of calls of each module in eval mode; None if it was only partly traced."""
        whole = self.training.complete and self.evaluation.complete
        return self.evaluation.record.called if whole else None


def trace_model(
    model: nn.Module,
    *,
    ref: ModelRef | None = None,
    inputs: Guesses | None = None,
    table: Table | None = None,
    clock: SearchClock | None = None,
) -> ModelGraph:
    """The classified graph of ``model``, which is not changed.

    ``inputs`` are on the meta device; without them, rules that need shapes are undecided.
    ``clock`` is shared with what else is guessed for the model.
    """
    table = table or builtin_table()
    ref = ref or ModelRef("", type(model).__name__, "instance")
    with process_state(), decorated_revealed(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meta = on_meta(model)
        with in_training(meta), same_attributes(meta if meta is model else None):
            return _traced(model, meta, ref, table, inputs or NONE, clock or SearchClock())


def _traced(
    model: nn.Module,
    meta: nn.Module,
    ref: ModelRef,
    table: Table,
    inputs: Guesses,
    clock: SearchClock,
) -> ModelGraph:
    seed_all(0)  # random branches are the same in each run
    with record_sites(late=True):
        loose = names_of_loose(model, meta)
        seen = replace(_trace_modes(meta, table, inputs, clock), loose=loose)
    climbed = seen.training
    forget_chosen(climbed.record)
    if ref.guessed:
        climbed.doubt()  # other arguments may fit together
    if ref.block and climbed.record.left_out and climbed.inputs.source == "inferred":
        forget_others(climbed.record, frozenset())  # its caller may pass all inputs
    return _describe(model, meta, ref, table, seen)


def _trace_modes(meta: nn.Module, table: Table, inputs: Guesses, clock: SearchClock) -> BothModes:
    """Trace the eval mode only if the code that ran may do something else in it."""
    with watched_mode(meta, table) as watch:
        climbed = climb(meta, table, inputs, clock, watch=watch)
    differs = watch.differs or has_loose_dropout(climbed.record, table)
    may_differ = differs or overrides_switch(meta)
    if not (may_differ and climbed.complete and climbed.training):
        return BothModes(climbed, climbed)
    switched = Switched(meta)
    meta.eval()
    try:
        if not (differs or switched.is_more()):
            return BothModes(climbed, climbed)
        return BothModes(climbed, climb(meta, table, climbed.inputs, clock, climbed))
    finally:
        meta.train()


def _describe(
    model: nn.Module, meta: nn.Module, ref: ModelRef, table: Table, seen: BothModes
) -> ModelGraph:
    climbed = seen.training
    record, locator, layers = climbed.record, Locator(ref.file), Layers(table)
    parts, hidden, guessed = trace_pieces(meta, table, climbed)
    parts = [replace(p, block=ref.block, facts=_facts_of(p, model, table, seen)) for p in parts]
    if climbed.crash is not None:
        parts.append(TracedPart(Record(record.tracer, [climbed.crash]), "=crash", whole=False))
    keys = keys_of(meta)
    ops, edges = describe_parts(parts, layers, locator, keys, seen.loose)
    modules = describe_modules(meta, layers, locator, seen.train_calls(), seen.eval_calls(), record)
    trace = Trace(
        record.tracer,
        climbed.complete,
        tuple(
            Opaque(r.path, why.reason, locator.locate(why.frames))
            for r, why in ((r, climbed.telling(r)) for r in hidden)
        ),
        tuple(Refusal(t, r.reason, locator.locate(r.frames)) for t, r in climbed.refusals),
        _unfit(climbed, locator),
        guessed,
        climbed.training,
    )
    return ModelGraph(
        replace(ref, inputs=climbed.described_inputs()),
        ops,
        edges,
        trace,
        modules,
        size_of(parameters_by_id(model.modules()).values()),
        states=describe_states(model),
        evaluation=_evaluation(seen, layers, locator, keys),
    )


def _facts_of(
    part: TracedPart, model: nn.Module, table: Table, seen: BothModes
) -> Mapping[str, Mapping[str, Value]]:
    """The facts of the calls of a part that are not read from the calls themselves."""
    facts: dict[str, Mapping[str, Value]] = dict(
        initial_facts(part.record, model, table, whole=part.whole)
    )
    facts |= entry_facts(model, part.record) if part.whole else {}
    # A graph module is of the one mode that it was made in.
    has_modes = seen.evaluation.complete and not isinstance(model, fx.GraphModule)
    if part.record is seen.training.record and has_modes:
        found = mode_facts(part.record, seen.evaluation.record, table)
        facts |= {id: {**facts.get(id, {}), **more} for id, more in found.items()}
    return facts


def _evaluation(seen: BothModes, layers: Layers, locator: Locator, keys: dict[int, str]) -> str:
    """A digest of what runs in eval mode, where that was traced by itself."""
    if seen.evaluation is seen.training:
        return ""
    ops, edges = describe_parts([TracedPart(seen.evaluation.record)], layers, locator, keys)
    plain = ((op.exact.get("name"), sorted(op.exact.items(), key=str)) for op in ops)
    wires = Counter(edge.target for edge in edges)
    return short_digest(*(f"{each} {wires[op.id]}" for each, op in zip(plain, ops, strict=True)))


def _unfit(climbed: Climb, locator: Locator) -> Unfit | None:
    call = climbed.unfit
    if call is None:
        return None
    return Unfit(layer_name(call), call.error or "", locator.locate(call.frames), climbed.cut)
