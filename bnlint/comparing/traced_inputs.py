"""The inputs that two models were traced with: the same for both, if that is possible."""

from __future__ import annotations

from dataclasses import replace

from bnlint.comparing.sides import TracedModel, Tracing
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import InputSpec
from bnlint.graph.cost import cost_of

_WORK = 400_000_000
"""Multiply-adds of one forward above which images are made smaller for the runs."""
_STEP = 32
"""Images keep sizes that can be halved five times."""


def with_one_input(
    tracing: Tracing, old: TracedModel, new: TracedModel
) -> tuple[TracedModel, TracedModel]:
    """Both models traced with the same input, where each was traced with its own guess."""
    given = inputs_of(old.graph), inputs_of(new.graph)
    if all(given) and given[0] != given[1]:
        if (again := _with_inputs(tracing, new, given[0])) is not None:
            return old, again
        if (again := _with_inputs(tracing, old, given[1])) is not None:
            return again, new
    return old, new


def _with_inputs(
    tracing: Tracing, model: TracedModel, inputs: tuple[InputSpec, ...]
) -> TracedModel | None:
    """The model with other inputs, and its own findings; None if it does not take them."""
    for found in tracing.again(model, model.call, inputs):
        trace = found.graph.trace
        if found.graph.ops and trace.complete and trace.unfit is None:
            ref = replace(model.graph.ref, inputs=found.graph.ref.inputs)
            return replace(model, graph=replace(found.graph, ref=ref))
    return None


def inputs_to_try(*graphs: ModelGraph) -> tuple[tuple[InputSpec, ...], ...]:
    """The inputs that models were traced with; large images are tried in a smaller size first."""
    found = [(inputs_of(graph), cost_of(graph).multiply_adds or 0) for graph in graphs]
    small = [_smaller(specs, work) for specs, work in found if work > _WORK]
    return tuple(dict.fromkeys(filter(None, (*small, *(specs for specs, _ in found)))))


def _smaller(specs: tuple[InputSpec, ...], work: int) -> tuple[InputSpec, ...]:
    """The inputs with images so small that a model needs few operations; not the given ones."""
    share = (_WORK / work) ** 0.5

    def size(pixels: int) -> int:
        return (
            max(_STEP * 2, round(pixels * share / _STEP) * _STEP) if pixels > _STEP * 2 else pixels
        )

    return tuple(
        replace(spec, shape=(*spec.shape[:2], *map(size, spec.shape[2:])))
        if len(spec.shape) == 4
        else spec
        for spec in specs
    )


def inputs_of(graph: ModelGraph) -> tuple[InputSpec, ...]:
    """What a model was traced with, as a user would declare it."""
    found = graph.ref.inputs
    return tuple(map(InputSpec, found.shapes, found.names, found.dtypes))
