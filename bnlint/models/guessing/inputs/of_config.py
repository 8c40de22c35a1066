"""Inputs of a model that keeps its sizes in a config: ``config.num_channels``, ``vision_config``.

The names of a forward's arguments say what each of them is, and the config, or one inside it, says
how large. Models of this style take text, images, sound or several of them; all that they take are
given at first, then their main input alone.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.models.guessing.guess import Guess, empty
from bnlint.models.guessing.inputs.named_inputs import (
    DECODER,
    HIDDEN,
    INPUTS,
    MASKS,
    MODALITIES,
    WITH_HIDDEN,
    Config,
)
from bnlint.models.lexicon import CACHES
from bnlint.models.meta.known_numbers import hollow, numbers_of
from bnlint.models.nested import mapped
from bnlint.models.reading.read_forward import read_forward


def by_config(model: nn.Module) -> tuple[Guess, ...] | None:
    """Calls that may work for a model with a config, likeliest first; None for any other model."""
    stated = _stated_config(model)
    if stated is None:
        return None
    parameters = _parameters(model)
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [name for name, p in parameters.items() if p.kind in plain]
    needed = [name for name in names if parameters[name].default is inspect.Parameter.empty]
    config = Config(stated)
    main = _main_inputs(model, names)
    if not (main or needed) or any(name not in INPUTS for name in (*main, *needed)):
        return None
    decoder = [n for n in DECODER if n in names and config.get("is_encoder_decoder")]
    more = [n for n in names if n in MODALITIES or n in WITH_HIDDEN]
    text = [n for n in ("input_ids",) if n in names]
    choices = (
        [*needed, *main, *decoder, *more],
        [*needed, *main, *decoder],
        [*needed, *(text or main), *decoder],
    )
    distinct = dict.fromkeys(tuple(dict.fromkeys(choice)) for choice in choices)
    masks = _masks(model, parameters)
    calls = (guess for choice in distinct for guess in _calls(choice, config))
    found = [_with_masks(guess, masks) for guess in calls]
    unpadded = getattr(stated, "pad_token_id", 0) is None
    return (*found, _of_one(found[-1])) if unpadded else tuple(found)


def _masks(model: nn.Module, parameters: Mapping[str, inspect.Parameter]) -> dict[str, str]:
    """Masks that a forward reads although they are None by default, with what they mask."""
    masked = {name: name.removesuffix("_mask") for name in parameters if name.endswith("_mask")}
    masked = {mask: name for mask, name in masked.items() if name in MODALITIES}
    uses = read_forward(model) if masked else {}
    read = (m for m in masked if m in uses and uses[m].tensor and not uses[m].guarded)
    return {mask: masked[mask] for mask in read if parameters[mask].default is None}


def _with_masks(guess: Guess, masks: Mapping[str, str]) -> Guess:
    """The call with masks that leave nothing out: one number for each step, the last axis."""
    given = {mask: guess.kwargs[name] for mask, name in masks.items() if name in guess.kwargs}
    whole = {m: hollow(torch.ones(t.shape[0], t.shape[-1]).long()) for m, t in given.items()}
    return replace(guess, kwargs={**guess.kwargs, **whole})


def without_cache(model: nn.Module, guesses: Sequence[Guess]) -> Iterator[Guess]:
    """The first call without a cache of keys and values, for one that a guessed config misfits.

    The sizes of a cache are of its own, and training fills none.
    """
    names = []
    with contextlib.suppress(TypeError, ValueError):  # a forward without a signature
        names = [name for name in _parameters(model) if CACHES.fullmatch(name)]
    if guesses and names:
        switched = dict.fromkeys(names, False)
        yield replace(guesses[0], kwargs={**guesses[0].kwargs, **switched}, optional=True)


def _of_one(guess: Guess) -> Guess:
    """The call with one sample: without a token for padding, some take no more."""
    return Guess((), mapped(dict(guess.kwargs), _first))


def _first(tensor: Tensor) -> Tensor:
    numbers = numbers_of(tensor)
    return empty((1, *tensor.shape[1:]), tensor.dtype) if numbers is None else hollow(numbers[:1])


def _parameters(model: nn.Module) -> Mapping[str, inspect.Parameter]:
    """Those of the forward; of the one it extends, if it only hands on all keywords."""
    found: Mapping[str, inspect.Parameter] = inspect.signature(model.forward).parameters
    for cls in type(model).__mro__:
        if any(p.kind is not p.VAR_KEYWORD for p in found.values()) or cls is nn.Module:
            break
        if "forward" in vars(cls):
            found = dict([*inspect.signature(vars(cls)["forward"]).parameters.items()][1:])
    return found


def _stated_config(model: nn.Module) -> Any:
    """The config of the model, or that of the first part that has one: a block may keep none."""
    for module in model.modules():
        found = getattr(module, "config", None)
        if found is not None and not isinstance(found, (nn.Module, str, int, Mapping)):
            return found
        if found is not None and module is model:
            return None
    return None


def _main_inputs(model: nn.Module, names: list[str]) -> list[str]:
    main = getattr(model, "main_input_name", ())
    found = [main] if isinstance(main, str) else [*main]
    found = [name for name in found if name in names]
    return found or [name for name in names if name in MODALITIES or name in HIDDEN][:1]


def _calls(names: Iterable[str], config: Config) -> Iterator[Guess]:
    """Calls with these arguments; each takes the next of its options, or its last one."""
    block = any(name in HIDDEN for name in names)
    options = {n: [None] if block and n in MASKS else INPUTS[n](config) for n in names}
    for turn in range(max(map(len, options.values()), default=0)):
        yield Guess((), {n: found[min(turn, len(found) - 1)] for n, found in options.items()})
