"""The tables of facts: to add one, write a small function beside and give it a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from bnlint.domain.graph import ModuleInfo, Op, Shape
from bnlint.graph.facts import (
    channels,
    flow,
    model,
    modules,
    neighbours,
    repair,
    sisters,
    structure,
)
from bnlint.graph.facts.answer import UNKNOWN, Answer, Fact
from bnlint.graph.view import View

OpFact: TypeAlias = Fact[tuple[View, Op]]
ModuleFact: TypeAlias = Fact[tuple[View, ModuleInfo]]
ModelFact: TypeAlias = Fact[View]
Subject = TypeVar("Subject")


def _of_op(name: str, meaning: str, ask: Callable[[Op], Answer], shapes: bool = False) -> OpFact:
    return Fact(name, meaning, lambda subject: ask(subject[1]), shapes)


def _of_view(
    name: str, meaning: str, ask: Callable[[View, Op], Answer], shapes: bool = False
) -> OpFact:
    return Fact(name, meaning, lambda subject: ask(*subject), shapes)


def _of_module(name: str, meaning: str, ask: Callable[[View, ModuleInfo], Answer]) -> ModuleFact:
    return Fact(name, meaning, lambda subject: ask(*subject))


def _table(facts: Iterable[Fact[Subject]]) -> Mapping[str, Fact[Subject]]:
    return {fact.name: fact for fact in facts}


def _or_unknown(shape: Shape | None) -> Answer:
    return UNKNOWN if shape is None else shape


OP_FACTS: Mapping[str, OpFact] = _table((
    _of_view("users", "how many ops read the result; being a result of the model counts as one",
        neighbours.users),
    _of_view("input-users", "how many ops read the tensor that this op reads first",
        neighbours.input_users),
    _of_view("next", "tags of the readers, looking through passthrough ops",
        neighbours.next_),
    _of_view("next-all", "tags that all readers share, looking through passthrough ops",
        neighbours.next_all),
    _of_view("previous", "tags of what it reads, looking through passthrough ops",
        neighbours.previous),
    _of_view("ahead",
        "like next, looking also through reshape, split, pad, scale, dropout, detach",
        neighbours.ahead),
    _of_view("behind",
        "like previous, looking also through reshape, split, pad, scale, dropout, detach",
        neighbours.behind),
    _of_view("gates",
        "whether it leads, by kernels and activations only, to a gate that multiplies",
        neighbours.gates),
    _of_view("pooled",
        "whether a global pool lies behind, with only kernels, norms, activations between",
        neighbours.pooled),
    _of_view("reads-input",
        "whether it reads an input of the model, looking as far as behind does",
        neighbours.reads_input),
    _of_view("first-kernel", "whether no kernel lies behind",
        neighbours.first_kernel),
    _of_view("last-kernel", "whether no kernel lies ahead",
        neighbours.last_kernel),
    _of_view("channels-arriving",
        "channels of the input: by shapes, else followed from the producing kernel",
        channels.channels_arriving, shapes=True),
    _of_view("misled", "whether a failure upstream, with no kernel since, explains what arrives",
        channels.misled),
    _of_op("ran", "whether it ran on the traced shapes; unknown without any",
        channels.ran),
    _of_view("in-rank", "number of axes of the input: by shapes, else followed from the producer",
        flow.in_rank, shapes=True),
    _of_view("normalised-before", "whether a norm lies between it and the kernel behind it",
        flow.normalised),
    _of_view("channels-last",
        "whether the producer keeps channels on the last axis; unknown after a reshape",
        flow.channels_last),
    _of_view("normed-after",
        "whether a norm follows, looking through passthrough, pooling, pad, dropout",
        sisters.normed_after),
    _of_view("feeds-activation", "whether an activation follows, with or without a norm between",
        sisters.feeds_activation),
    _of_view("slot-sisters",
        "kernels in the same place of other blocks of the same class: how many",
        sisters.slot_sisters),
    _of_view("slot-sisters-normed",
        "share of the slot sisters that a norm follows; unknown without any",
        sisters.slot_sisters_normed),
    _of_view("sisters", "other convolutions of the model that feed an activation: how many",
        sisters.sisters),
    _of_view("sisters-normed", "share of those that a norm follows; unknown without any",
        sisters.sisters_normed),
    _of_view("factorised", "whether it is half of a pair such as 3x1 and 1x3",
        sisters.factorised),
    _of_view("inplace-on-shared", "whether it overwrites a tensor that another op reads later",
        structure.inplace_on_shared),
    _of_view("plain-chain", "kernels in a row up to here with no norm, merge or SELU among them",
        structure.plain_chain),
    _of_view("chain-ends", "whether no other kernel continues that chain",
        structure.chain_ends),
    _of_view("reaches-output", "whether a result of the model hangs on it",
        structure.reaches_output),
    _of_view("gradient-returns", "whether a gradient comes back to it from some output",
        structure.gradient_returns),
    _of_view("class-for-rank", "norms of torch: the class of the family for the rank that arrives",
        repair.class_for_rank, shapes=True),
    _of_op("channels-argument", "norms: the argument that holds their channels",
        repair.channels_argument),
    _of_op("momentum-converted", "norms: 1 - momentum, as torch counts it",
        repair.momentum_converted),
    _of_op("momentum-meant", "norms: eps as a momentum, converted if it is .5 or more",
        repair.momentum_meant),
    _of_op("path", "the layer's name: features.0",
        lambda op: op.layer),
    _of_op("module", "path of the module, or of the one whose forward calls the function",
        lambda op: op.module),
    _of_op("kind", "its row in layers.yaml",
        lambda op: op.kind),
    _of_op("tags", "kind and families",
        lambda op: tuple(sorted(op.tags))),
    _of_op("class", "short name of the class or function",
        lambda op: modules.short(op.types)),
    _of_op("types", "dotted class names along the MRO",
        lambda op: op.types),
    _of_op("family", "batchnorm, instancenorm, groupnorm, layernorm, ... of a norm",
        model.family),
    _of_op("parametrized", "whether the weight is computed: weight norm, spectral norm",
        structure.parametrized),
    _of_op("error", "what the shape pass raised here, or null",
        lambda op: op.error),
    _of_op("in-shape", "shape of the first tensor argument",
        lambda op: _or_unknown(flow.in_shape(op)), shapes=True),
    _of_op("out-shape", "shape of the first result",
        lambda op: _or_unknown(flow.out_shape(op)), shapes=True),
    _of_op("ranks-allowed", "numbers of axes that the norm accepts",
        flow.ranks_allowed),
    _of_op("spatial-size", "positions of the input map: product of the axes after the channels",
        flow.spatial_size, shapes=True),
    _of_op("values-per-channel", "values of the traced batch that the norm averages over",
        flow.values_per_channel, shapes=True),
    _of_op("batch", "size of axis 0 of the input",
        flow.axis_size(0), shapes=True),
    _of_op("axis-1", "size of axis 1 of the input",
        flow.axis_size(1), shapes=True),
    _of_op("axis-last", "size of the last axis of the input",
        flow.axis_size(-1), shapes=True),
))  # fmt: skip

MODULE_FACTS: Mapping[str, ModuleFact] = _table((
    _of_module("path", "where it is registered",
        lambda _, info: info.path),
    _of_module("parent", "path of the module that holds it",
        lambda _, info: info.path.rpartition(".")[0]),
    _of_module("kind", "its row in layers.yaml",
        lambda _, info: info.kind),
    _of_module("tags", "kind and families",
        lambda _, info: tuple(sorted(info.tags))),
    _of_module("class", "short name of its class",
        lambda _, info: modules.short(info.types)),
    _of_module("types", "dotted class names along the MRO",
        lambda _, info: info.types),
    _of_module("parameters", "how many numbers it learns",
        lambda _, info: info.parameters),
    _of_module("leaf", "whether it became an op",
        lambda _, info: info.leaf),
    _of_module("reads", "whether a parameter of it is read without a call",
        lambda _, info: info.reads),
    _of_module("calls", "calls in train mode; unknown if not traced",
        lambda _, info: modules.known_or_unknown(info.calls)),
    _of_module("eval-calls", "calls in eval mode; unknown if not traced",
        lambda _, info: modules.known_or_unknown(info.eval_calls)),
    _of_module("used",
        "whether it is called in either mode or its weight read; unknown if a mode is not traced",
        modules.used),
    _of_module("parent-used", "the same for the module that holds it; true at the top",
        modules.parent_used),
    _of_module("aliases", "other paths of the same object",
        lambda _, info: info.aliases),
    _of_module("alias-count", "how many other paths there are",
        lambda _, info: len(info.aliases)),
    _of_module("repeated", "whether the same object stands more than once under one parent",
        lambda _, info: modules.repeated(info)),
))  # fmt: skip

MODEL_FACTS: Mapping[str, ModelFact] = _table((
    Fact("name", "name of the model",
        lambda view: view.graph.ref.name),
    Fact("block", "whether it is a part of another model",
        lambda view: view.graph.ref.block),
    Fact("origin", "how it was found: instance, class, factory, named",
        lambda view: view.graph.ref.origin),
    Fact("guessed-arguments", "arguments whose values were made up",
        lambda view: view.graph.ref.guessed),
    Fact("inputs-source", "where its inputs come from: declared, mined, inferred, none",
        lambda view: view.graph.ref.inputs.source),
    Fact("complete", "whether the trace saw the whole model",
        lambda view: view.graph.trace.complete),
    Fact("parameters", "how many numbers it learns",
        lambda view: view.graph.parameters),
    Fact("ops", "how many operations it has",
        lambda view: len(view.ops)),
    Fact("batchnorms", "how many batch norms it has",
        lambda view: model.layers(view, "batchnorm")),
    Fact("norms", "how many norms it has",
        lambda view: model.layers(view, "norm")),
    Fact("kernels", "how many kernels it has",
        lambda view: model.layers(view, "kernel")),
    Fact("activations", "how many activations it has",
        lambda view: model.layers(view, "activation")),
    Fact("norm-families", "families of its norms",
        model.norm_families),
    Fact("merges", "how many adds and concatenations it has",
        model.merges),
    Fact("classifier", "whether a result comes from a dense kernel that narrows",
        model.classifier),
))  # fmt: skip
