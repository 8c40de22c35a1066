"""Values for a parameter by what the code does with it: a number, a list, a word, a layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from bnlint.models.evidence.uses import ParameterUse, holds
from bnlint.models.guessing.arguments.knowledge import (
    Classifier,
    Knowledge,
    Method,
    Part,
    StandIn,
)
from bnlint.models.lexicon import (
    PROFILES,
    SIZE_METHODS,
    WIDTH,
    Profile,
    in_lower_case,
    layer_type,
    number,
    word,
)

_ITEMS = 4
"""The length of sequences of which the code does not say how long they are."""

_FEW = 4
"""A ratio that counts something: a power of two."""

_SKELETON = (3, 25, 25)

_TRIED = (*range(8, 201), *range(1, 8), 224, 256, 512)
"""Numbers that are tried where the code states a condition."""

_ABSENT = ("none", "null", "")


def by_use(name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """Values of the kind that the code wants; nothing if it does not say."""
    key = in_lower_case(name)
    if use.literals and (use.word or len(use.literals) > 1):
        yield literal_of(key, use)
    if use.word and (found := word(key)):
        yield found
    if use.called:
        yield from _callables(key, use, known)
    if use.keyed and not use.fields:
        each = use.each or ParameterUse()
        yield {"output": next(models_for(singular(key), each, known)) if each.module else _FEW}
    if use.sequence and not use.tensor:
        yield _sequence(key, use, known)
    if use.mapping and not use.fields:
        yield {}
    if use.applied or use.module:
        yield from models_for(key, use, known)
    if use.number or use.role[0] or use.conditions:
        yield satisfying(number_for(key, use, known.profile), use)
    if (use.array or use.tensor) and not use.fields:
        yield array_for(key) if use.array else torch.empty(100, WIDTH, device="meta")


def array_for(name: str) -> Any:
    """An array of numbers; one ``A`` holds which joints of a skeleton are connected, in 3 ways."""
    return torch.ones(_SKELETON if name.lower() == "a" else (100, WIDTH)).numpy()


def literal_of(name: str, use: ParameterUse) -> Any:
    """One of the values that the code compares with; the common one if it is among them."""
    options = [v for v in use.literals if not (isinstance(v, str) and v.lower() in _ABSENT)]
    texts = [v for v in options if isinstance(v, str)]
    if not texts:
        return min(options) if options else use.literals[0]
    wanted = word(name)
    same = [t for t in texts if wanted and t.lower().startswith(wanted[:2])]
    return (same or texts)[0]


def _sequence(name: str, use: ParameterUse, known: Knowledge) -> list[Any]:
    """A list of numbers for a name, as long as the code needs it."""
    length = use.items if use.exact or use.items > _ITEMS else _ITEMS
    each = use.each or ParameterUse()
    if each.parts:
        row = [_part(part, use, known) for part, use in each.parts]
        return [list(row) for _ in range(2)]
    if each.sequence:
        return [_sequence(name, each, known) for _ in range(length)]
    if each.applied or each.module:
        return [next(models_for(singular(name), each, known)) for _ in range(length)]
    if each.literals and each.word:
        return [literal_of(name, each)] * length
    value = number(name, known.profile)
    if isinstance(value, tuple):
        return list((*value, *value[-1:] * length)[:length])
    if value is None or isinstance(value, bool) or _is_role_of_channels(each):
        value = WIDTH
    if length == 3 and use.exact and re.search("size|shape|dim", name):
        return [known.profile.channels_in, 32, 32]
    counts_one = value < WIDTH and value != number(name, PROFILES[1])
    return [WIDTH if counts_one else value] * length


def singular(name: str) -> str:
    """The name of one of several: ``layer`` of ``layers``."""
    return name.removesuffix("_list").removesuffix("s")


def _part(name: str, use: ParameterUse, known: Knowledge) -> Any:
    value = next(by_use(name, use, known), None)
    return number_for(in_lower_case(name), use, known.profile) if value is None else value


def _is_role_of_channels(use: ParameterUse) -> bool:
    return use.role[0] in ("in_channels", "out_channels", "in_features", "out_features")


def number_for(name: str, use: ParameterUse, profile: Profile) -> Any:
    """A number for a name, else for the parameter of the layer that takes it."""
    one = Profile(profile.channels_in, profile.channels_out, lists=False)
    value = number(name, one)
    if isinstance(value, bool) and use.number:
        value = None
    if value is None and use.role[0]:
        parameter, layer = use.role
        value = 0.1 if "Dropout" in layer else number(parameter, one)
    if use.whole and isinstance(value, float):
        value = _FEW
    return WIDTH if value is None else value


def satisfying(value: Any, use: ParameterUse) -> Any:
    """The value, or another for which the code's own conditions hold."""
    if not use.conditions or not isinstance(value, (int, float, str)):
        return value
    for option in (value, *use.literals, *_TRIED):
        if all(holds(test, name, option) for test, name in use.conditions):
            return option
    return value


def _callables(name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """A helper, or a class of layers that is called as the code calls the value."""
    if (method := _method_for(name, use, known.profile)) is not None:
        yield method
    if "num_classes" in use.keywords:
        yield Classifier
    yield from layer_types(name, known.names, use)
    if use.arguments == 0:
        yield nn.ReLU
    elif use.arguments == 1:
        yield nn.BatchNorm2d
    elif use.arguments >= 2:
        yield partial(nn.Conv2d, kernel_size=1)


def _method_for(name: str, use: ParameterUse, profile: Profile) -> Method | None:
    """A helper such as ``logger.info("...")``, or what tells a size: ``vocab.get_vocab_size()``."""
    if (use.helper or use.arguments == 0) and SIZE_METHODS.fullmatch(name):
        value = number(name.removeprefix("get_"), profile)
        if type(value) is int:
            return Method(value)
    return Method("" if use.arguments else None) if use.helper else None


def models_for(name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """A model for a parameter that is one: of the class that is called so, else one that keeps."""
    if layer_type(name) is nn.ReLU:
        yield Part(nn.ReLU, {})
    yield from models_called(name, known)
    attributes = ((key, _attribute(key, inner, known)) for key, inner in use.fields.items())
    yield Part(StandIn, {}, {key: value for key, value in attributes if value is not None})


def _attribute(key: str, use: ParameterUse, known: Knowledge) -> Any:
    """What a model has that is given to another one; None for what is not known."""
    if use.called:
        return _method_for(in_lower_case(key), use, known.profile)
    found = None if use.applied else next(by_use(key, use, known), None)
    if use.applied or (found is None and use.fields):
        return next(models_for(key, use, known))
    return number_for(key, use, known.profile) if found is None else found


def models_called(name: str, known: Knowledge) -> Iterator[Part]:
    """A model of each class of the file that is called so: ``BigDecoderLayer``."""
    wanted = name.replace("_", "")
    classes = (v for v in known.names.values() if isinstance(v, type) and issubclass(v, nn.Module))
    for cls in classes:
        own = cls.__name__.lower().replace("_", "")
        alike = wanted and (own.endswith(wanted) or own.startswith(wanted))
        if alike and (found := known.part(cls)) is not None:
            yield found


def layer_types(name: str, names: Mapping[str, Any], use: ParameterUse) -> Iterator[Any]:
    """Blocks of the file if the name asks for one, and a class of torch.

    Those that have the attributes that are read (``block.expansion``) come first.
    """
    if "block" in name:
        classes = [v for v in names.values() if isinstance(v, type) and issubclass(v, nn.Module)]
        blocks = [c for c in classes if re.search("block|neck", c.__name__.lower())]
        yield from sorted(blocks, key=lambda c: not all(hasattr(c, f) for f in use.fields))
    if (found := layer_type(name)) is not None:
        yield found
