"""The inputs of a model's forward: given, else found in its file, else guessed from its layers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice, takewhile
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from bnlint.domain.graph import ModelRef, Shape
from bnlint.domain.request import InputSpec
from bnlint.loading.parsing import Source
from bnlint.models.evidence.project import project_of
from bnlint.models.guessing.guess import Guess, Guesses, declared, describe, empty
from bnlint.models.guessing.inputs.asked import Asked, optional_inputs, required_inputs
from bnlint.models.guessing.inputs.of_config import by_config, without_cache
from bnlint.models.guessing.inputs.of_data import image_size
from bnlint.models.guessing.inputs.of_layers import BATCH, Stated, entry_of, specs_of, stated
from bnlint.models.guessing.inputs.of_own_class import parts_of
from bnlint.models.guessing.inputs.of_use import of_own_weight, values_of
from bnlint.models.guessing.inputs.written_inputs import carried, configured_image, passed
from bnlint.models.lexicon import MASKS, WIDTH
from bnlint.models.outline import tests_of
from bnlint.models.reading.decorated import decorated_revealed
from bnlint.models.reading.read_forward import read_forward
from bnlint.models.reading.use import Use

_LIMIT = 12
"""Calls that are guessed for one model."""

_CALLERS = 12
"""Files that use a model and are read for its inputs."""


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
    with decorated_revealed(model):
        return _found_inputs(model, source, ref)


def _found_inputs(model: nn.Module, source: Source | None, ref: ModelRef) -> Guesses:
    if own := carried(model) or _image_configured(model):
        return Guesses((own,))
    if source is None:
        return Guesses(infer(model))
    project, name = project_of(source), ref.name.rpartition(".")[2]
    callers = islice(project.importing(name), _CALLERS) if project is not None else ()
    around = (*tests_of(source), *callers)
    sure, likely = passed((source, *around), ref)
    if sure:
        return Guesses(sure[:1])
    guesses = (*likely, *infer(model, image_size((*around, source))))
    return Guesses((*guesses, *without_cache(model, guesses)) if ref.guessed else guesses)


def _image_configured(model: nn.Module) -> Guess | None:
    """What the configuration of its weights says, unless the model was built for another size."""
    found, size = configured_image(model), stated(model).size
    return None if found and size and describe(found).shapes[0][-len(size) :] != size else found


def infer(model: nn.Module, image: Shape | None = None) -> tuple[Guess, ...]:
    """Calls that may work for the model, likeliest first; empty if its layers say nothing.

    ``image`` is the size of the images that its data has, if that is known.
    """
    configured = by_config(model)
    return guessed_for(model, read_forward(model), image) if configured is None else configured


def guessed_for(
    model: nn.Module, uses: Mapping[str, Use], image: Shape | None = None
) -> tuple[Guess, ...]:
    """Calls that may work for a forward that uses its arguments so, likeliest first."""
    asked = required_inputs(model, uses)
    if not asked:
        return ()
    sizes = stated(model).or_image(image)
    if len(asked) == 1 and (plain := _from_first_layer(model, sizes)) and not _speaks(asked[0]):
        tall = [t for t in plain if t.ndim >= asked[0].use.least_rank]
        read = values_of(asked[0], model, sizes) if _is_read_by_another(asked[0], model) else []
        options = [[*read, *(tall or plain)]]
    else:
        options = [values_of(one, model, sizes) for one in asked]
    if not all(options):
        data = (o for o in options if o and _is_data(o[0]))
        fallback = next(data, None)
        fallback = fallback or _from_first_layer(model, sizes)
        options = [o or fallback for o in options]
    if unknown := not all(options):
        options = [o or _anything(one, sizes) for one, o in zip(asked, options, strict=True)]
    if not all(options) or (unknown and not any(one.says_anything for one in asked)):
        return ()
    count = max(map(len, options))
    calls = (tuple(o[min(i, len(o) - 1)] for o in options) for i in range(count))
    guesses = tuple(called(asked, values, model) for values in islice(calls, _LIMIT))
    if unknown:
        return tuple(replace(guess, optional=True) for guess in guesses)
    first, *others = guesses
    optional = _with_optional_inputs(first, asked, model, sizes, uses)
    return (first, *_as_sequences(first, sizes), *others, *optional)


def _anything(asked: Asked, sizes: Stated) -> list[Any]:
    """An image, a signal and a row, for an input of which nothing else is known."""
    return [empty(shape) for shape in sizes.of_anything(BATCH)] if asked.may_be_a_tensor else []


def called(asked: list[Asked], values: tuple[Any, ...], model: nn.Module) -> Guess:
    """The call with these inputs, those after an input that is left out by their names."""
    names = list(inspect.signature(model.forward).parameters)
    pairs = zip(asked, names, strict=False)
    together = takewhile(lambda pair: pair[0].name == pair[1] and not pair[0].by_name, pairs)
    plain = asked[-1].name not in names[1:] and not any(one.by_name for one in asked)
    count = len(asked) if plain else len(list(together))
    named = zip(asked[count:], values[count:], strict=True)
    return Guess(values[:count], {one.name: value for one, value in named})


def _as_sequences(plain: Guess, sizes: Stated) -> Iterator[Guess]:
    """The call with sequences of one length, channels last, as where a part permutes them.

    The length is stated, or the one that was guessed for a convolution.
    """
    first = next((v for v in plain.args if _is_sequence(v)), None)
    if first is None:
        return
    length = sizes.length or first.shape[2]

    def channels_last(value: Any) -> Any:
        if not _is_sequence(value):
            return value
        batch, middle, last = value.shape
        return empty((batch, length, middle if last == length else last), value.dtype)

    args = tuple(map(channels_last, plain.args))
    call = replace(plain, args=args, channels_last=True)
    if describe(call).shapes != describe(plain).shapes:
        yield call


def _is_sequence(value: Any) -> bool:
    return _is_tensor(value) and value.ndim == 3 and value.is_floating_point()


def _with_optional_inputs(
    plain: Guess, asked: list[Asked], model: nn.Module, sizes: Stated, read: Mapping[str, Use]
) -> Iterator[Guess]:
    """The first call with the inputs that are None by default.

    Those used unasked, then all, then the tensors but for masks, which rarely need to be there.
    """
    left = optional_inputs(model, {one.name for one in asked}, read)
    others = [one for one in left if one.says_anything]
    uses = {one.name: one.use for one in others}
    values = {one.name: values_of(one, model, sizes) for one in others}
    known = {name: found[0] for name, found in values.items() if found}
    unasked = {name: known[name] for name in known if not uses[name].guarded}
    tensors = {name: value for name, value in known.items() if _is_tensor(value)}
    data = {name: tensors[name] for name in tensors if not MASKS.fullmatch(name)}
    tried: list[dict[str, Any]] = [{}]
    for kwargs in (unasked, known, data):
        if kwargs.keys() not in (before.keys() for before in tried):
            tried.append(kwargs)
            yield replace(plain, kwargs={**plain.kwargs, **kwargs}, optional=True)


def _speaks(asked: Asked) -> bool:
    """True if the source says more of an only input than that a layer reads it."""
    use = asked.use
    read = use.rank or use.items or use.attributes or use.iterated or use.literals or use.complex
    held = asked.is_called(PackedSequence) or parts_of(asked.hint)
    return bool(read or held or asked.items_annotated)


def _is_read_by_another(asked: Asked, model: nn.Module) -> bool:
    """True if it is not the first layer of the model that reads an input."""
    first = next((module for module, _ in asked.use.readers), None)
    if first is None:
        return False
    entry = entry_of(first)
    return bool(of_own_weight(first)) if entry is None else entry is not entry_of(model)


def _is_data(value: Any) -> bool:
    """True for a tensor that is no index, mask or length."""
    return _is_tensor(value) and value.is_meta and value.is_floating_point()


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _from_first_layer(model: nn.Module, sizes: Stated) -> list[Any]:
    """Tensors for the first layer of the model, or of the sizes that the model states."""
    if (entry := entry_of(model)) is not None:
        return [empty(*spec) for spec in specs_of(entry, model, sizes)]
    known = [empty(shape) for shape in sizes.shapes(BATCH)]
    return known or _for_a_stand_in(model)


def _for_a_stand_in(model: nn.Module) -> list[Any]:
    """Images or rows for a model around another one, in whose place there is an identity."""
    if not any(isinstance(m, nn.Identity) and m is not model for m in model.modules()):
        return []
    return [empty((BATCH, 3, 224, 224)), empty((BATCH, WIDTH))]
