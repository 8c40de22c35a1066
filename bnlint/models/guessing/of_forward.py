"""The inputs of a model's forward: given, else found in its file, else guessed from its layers."""

from __future__ import annotations

import ast
import inspect
from itertools import islice

import torch
from torch import nn

from bnlint.domain.graph import ModelRef
from bnlint.domain.request import InputSpec
from bnlint.loading.parsing import Source
from bnlint.models.guessing.guess import Guess, Guesses, declared, empty
from bnlint.models.guessing.of_config import by_config
from bnlint.models.guessing.of_layers import BATCH, Spec, entry_of, specs_of, stated
from bnlint.models.guessing.written_inputs import carried, passed
from bnlint.models.lexicon import TIMES
from bnlint.models.outline import own_forward

_LIMIT = 12
"""Calls that are guessed for one model."""


def find_inputs(
    model: nn.Module,
    source: Source | None,
    ref: ModelRef,
    specs: tuple[InputSpec, ...] = (),
) -> Guesses:
    """The calls of the model's forward that may work; nothing is run to find them.

    Inputs that the source passes to a model built by this very call are used as they are. Those
    passed to a model of the same class that is built in another way only come first among the
    guessed ones, because its channels may differ.
    """
    if specs:
        return declared(specs)
    if own := carried(model):
        return Guesses((own,))
    sure, likely = passed(source, ref) if source else ((), ())
    if sure:
        return Guesses(sure[:1])
    return Guesses((*likely, *infer(model, source)))


def infer(model: nn.Module, source: Source | None = None) -> tuple[Guess, ...]:
    """Calls that may work for the model, likeliest first; empty if its layers say nothing."""
    if (own := by_config(model)) is not None:
        return own
    names = required_inputs(model)
    if not names:
        return ()
    readers = _readers(type(model), source)
    options = [_options(model, name, readers.get(name, ())) for name in names]
    if not any(options):
        return ()
    shared = next(o for o in options if o)
    filled = [o or shared for o in options]
    count = max(map(len, filled))
    calls = (tuple(o[min(i, len(o) - 1)] for o in filled) for i in range(count))
    return tuple(islice((Guess(tuple(empty(*spec) for spec in call)) for call in calls), _LIMIT))


def required_inputs(model: nn.Module) -> list[str]:
    """The names of the inputs that a call must have; the first one if all are optional."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return ["x"]
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in plain if p.default is p.empty]
    if needed:
        return needed
    return [p.name for p in plain[:1]] or (["x"] if parameters else [])


def _options(model: nn.Module, name: str, readers: tuple[str, ...]) -> list[Spec]:
    """Shapes and dtypes of one input: from the layers that read it, else from the first layer."""
    sizes = stated(model)
    for reader in readers:
        module = getattr(model, reader, None)
        if isinstance(module, nn.Module) and (entry := entry_of(module)) is not None:
            return specs_of(entry, model, sizes)
    if TIMES.fullmatch(name):
        return [((BATCH,), torch.long), ((BATCH,), torch.float32)]
    if (entry := entry_of(model)) is not None:
        return specs_of(entry, model, sizes)
    return [(shape, torch.float32) for shape in sizes.shapes(BATCH)]


def _readers(cls: type, source: Source | None) -> dict[str, tuple[str, ...]]:
    """For each input of ``forward``, the attributes of ``self`` called on it before it changes."""
    top = source.tree.body if source else []
    classes = (n for n in top if isinstance(n, ast.ClassDef) and n.name == cls.__name__)
    definition = next(classes, None)
    forward = own_forward(definition) if definition else None
    found: dict[str, list[str]] = {}
    bound: set[str] = set()
    for statement in forward.body if forward else ():
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and (attribute := _own_attribute(node.func)):
                read = (a.id for a in node.args if isinstance(a, ast.Name) and a.id not in bound)
                for name in read:
                    found.setdefault(name, []).append(attribute)
        stored = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
        bound |= {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    return {name: tuple(attributes) for name, attributes in found.items()}


def _own_attribute(func: ast.expr) -> str:
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
        return func.attr if func.value.id == "self" else ""
    return ""
