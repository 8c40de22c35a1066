"""Values for the parameters of a constructor, by annotation, by use and by name."""

from __future__ import annotations

import collections.abc
import contextlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from bnlint.models.evidence.plain_values import built
from bnlint.models.evidence.uses import ParameterUse, holds
from bnlint.models.guessing.guessed_settings import GuessedSettings
from bnlint.models.guessing.of_annotations import (
    annotation_of,
    by_annotation,
    fitted_to,
    is_class_of_settings,
    is_open,
    origin_of,
)
from bnlint.models.lexicon import (
    CONFIG,
    DEVICES,
    LAYER_PARAMETER,
    MODELS,
    WIDTH,
    Profile,
    layer_type,
    number,
    word,
)

_NOTHING = inspect.Parameter.empty
_ITEMS = 4
"""The length of sequences of which the code does not say how long they are."""

_FEW = 4
"""A ratio that counts something: a power of two."""

_TRIED = (*range(8, 201), *range(1, 8), 224, 256, 512)
"""Numbers that are tried where the code states a condition."""

_ABSENT = ("none", "null", "")


@dataclass(frozen=True, slots=True)
class Lacking:
    """No call can be made, because nothing is known about this parameter."""

    parameter: str


@dataclass(frozen=True, slots=True)
class Part:
    """A model that becomes an argument of another one: each try gets one of its own."""

    cls: type[nn.Module]
    arguments: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The call that builds it."""
        shown = (f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.cls.__name__}({', '.join(shown)})"

    def value(self) -> nn.Module:
        """The model, built now."""
        made = self.cls(**{name: built(value) for name, value in self.arguments.items()})
        for name, value in self.attributes.items():
            if not hasattr(made, name):
                setattr(made, name, value)
        return made


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a guess may rest on: numbers that go together, names of the module, uses by parameter.

    ``configured`` finds the known values of a settings object, ``part`` a model of a class.
    """

    profile: Profile
    names: Mapping[str, Any]
    uses: Mapping[str, ParameterUse]
    configured: Callable[[str, ParameterUse], Any] = lambda _name, _use: None
    part: Callable[[type[nn.Module]], Any] = lambda _cls: None


def fill(parameters: tuple[inspect.Parameter, ...], known: Knowledge) -> dict[str, Any] | Lacking:
    """Values for these parameters by name, or the first one that nothing is known about."""
    filled = {}
    for parameter in parameters:
        value = next(values_of(parameter, known), _NOTHING)
        if value is _NOTHING:
            return Lacking(parameter.name)
        filled[parameter.name] = value
    return filled


def values_of(parameter: inspect.Parameter, known: Knowledge) -> Iterator[Any]:
    """Values that may work, likeliest first."""
    hint, name = annotation_of(parameter, known.names), parameter.name.lower().strip("_")
    use = known.uses.get(parameter.name, ParameterUse())
    unannotated = is_open(hint, use)
    if unannotated and (found := known.configured(parameter.name, use)) is not None:
        yield found
    wants_type = origin_of(hint) in (type, collections.abc.Callable)
    if wants_type or (unannotated and LAYER_PARAMETER.fullmatch(name) and not use.literals):
        yield from _layer_types(name, known.names)
    if unannotated:
        yield from by_use(parameter.name, use, known)
    elif hint is str and use.literals:
        yield _literal(name, use)
    yield from _by_module(hint, name, use, known)
    value = number(name, known.profile)
    if value is not None:
        for fitting in fitted_to(hint, value, use):
            yield _satisfying(fitting, use)
    if not unannotated:
        yield from by_annotation(hint, name, known.profile)
    if unannotated or (use.fields and is_class_of_settings(hint)):
        yield from _by_name(parameter.name, use, known)


def _by_name(name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """Values for names that ask for something else than a number."""
    key = name.lower().strip("_")
    if DEVICES.fullmatch(key):
        yield "cpu"
    if name in known.uses and not use.read:
        yield None  # nothing is done with it
    if key in MODELS:
        yield from _modules(key, use, known)
    if CONFIG.fullmatch(key) or use.fields:
        yield settings(name, use, known)
    elif use.read:
        yield WIDTH  # the error will say what it should have been


def _by_module(hint: Any, name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """A model where the annotation asks for one, of the class that it names if it can be built."""
    if isinstance(hint, type) and issubclass(hint, nn.Module):
        if hint is not nn.Module and (found := known.part(hint)) is not None:
            yield found
        yield from _modules(name, use, known)
    elif hint is torch.Tensor:
        yield torch.empty(100, WIDTH, device="meta")


def settings(
    name: str, use: ParameterUse, known: Knowledge, found: Mapping[str, Any] | None = None
) -> Any:
    """A settings object with the values found, and guesses for those that the code reads."""
    given = dict(found or {})

    def answer(key: str) -> Any:
        wanted = use.fields.get(key, ParameterUse())
        if wanted.optional:
            raise LookupError(key)
        return guessed_setting(key, f"{name}.{key}", wanted, known)

    made = GuessedSettings(given, answer, name)
    for key, wanted in use.fields.items():
        inner = dict.get(made, key)
        if isinstance(inner, dict) and not isinstance(inner, GuessedSettings):
            made[key] = settings(f"{name}.{key}", wanted, known, inner)
        elif key not in made and not wanted.optional:
            with contextlib.suppress(KeyError):
                _ = made[key]
    return made


def guessed_setting(key: str, path: str, use: ParameterUse, known: Knowledge) -> Any:
    """A guess for one setting; LookupError if nothing is known about it."""
    if use.fields and not (use.tensor or use.applied or use.sequence):
        return settings(path, use, known)
    name = key.lower().strip("_")
    value = next(by_use(key, use, known), None)
    if value is None:
        value = number(name, known.profile)
    if value is None and use.read and not use.called:
        value = WIDTH if use.number or use.role[0] else None
    if value is None:
        raise LookupError(key)
    return value


def by_use(name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """Values of the kind that the code wants; nothing if it does not say."""
    key = name.lower().strip("_")
    if use.literals and (use.word or len(use.literals) > 1):
        yield _literal(key, use)
    if use.word and (found := word(key)):
        yield found
    if use.called:
        yield from _callables(key, use, known.names)
    if use.sequence and not use.tensor:
        yield _sequence(key, use, known)
    if use.mapping and not use.fields:
        yield {}
    if use.applied or use.module:
        yield from _modules(key, use, known)
    if use.number or use.role[0] or use.conditions:
        yield _satisfying(_number(key, use, known.profile), use)
    if use.tensor and not use.fields:
        yield torch.empty(100, WIDTH, device="meta")


def _literal(name: str, use: ParameterUse) -> Any:
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
    if each.literals and each.word:
        return [_literal(name, each)] * length
    value = number(name, known.profile)
    if isinstance(value, tuple):
        return list((*value, *value[-1:] * length)[:length])
    if value is None or isinstance(value, bool) or _is_role_of_channels(each):
        value = WIDTH
    if length == 3 and use.exact and re.search("size|shape|dim", name):
        return [known.profile.channels_in, 32, 32]
    singular = value == known.profile.channels_in and value < WIDTH
    return [WIDTH if singular else value] * length


def _part(name: str, use: ParameterUse, known: Knowledge) -> Any:
    value = next(by_use(name, use, known), None)
    return _number(name.lower(), use, known.profile) if value is None else value


def _is_role_of_channels(use: ParameterUse) -> bool:
    return use.role[0] in ("in_channels", "out_channels", "in_features", "out_features")


def _number(name: str, use: ParameterUse, profile: Profile) -> Any:
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


def _satisfying(value: Any, use: ParameterUse) -> Any:
    """The value, or another for which the code's own conditions hold."""
    if not use.conditions or not isinstance(value, (int, float, str)):
        return value
    for option in (value, *use.literals, *_TRIED):
        if all(holds(test, name, option) for test, name in use.conditions):
            return option
    return value


def _callables(name: str, use: ParameterUse, names: Mapping[str, Any]) -> Iterator[Any]:
    """A class of layers that is called as the code calls the value."""
    yield from _layer_types(name, names)
    if use.arguments == 0:
        yield nn.ReLU
    elif use.arguments == 1:
        yield nn.BatchNorm2d
    elif use.arguments >= 2:
        yield partial(nn.Conv2d, kernel_size=1)


def _modules(name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """A model for a parameter that is one: of the class that is called so, else one that keeps."""
    if layer_type(name) is nn.ReLU:
        yield Part(nn.ReLU, {})
    wanted = name.replace("_", "")
    classes = (v for v in known.names.values() if isinstance(v, type) and issubclass(v, nn.Module))
    for cls in classes:
        own = cls.__name__.lower().replace("_", "")
        alike = wanted and (own.endswith(wanted) or own.startswith(wanted))
        if alike and (found := known.part(cls)) is not None:
            yield found
    attributes = {
        key: next(by_use(key, inner, known), None) or _number(key, inner, known.profile)
        for key, inner in use.fields.items()
        if not (inner.called or inner.applied)
    }
    yield Part(nn.Identity, {}, attributes)


def _layer_types(name: str, names: Mapping[str, Any]) -> Iterator[Any]:
    """Blocks of the file if the name asks for one, and a class of torch."""
    if "block" in name:
        classes = (v for v in names.values() if isinstance(v, type) and issubclass(v, nn.Module))
        yield from (c for c in classes if re.search("block|neck", c.__name__.lower()))
    if (found := layer_type(name)) is not None:
        yield found
