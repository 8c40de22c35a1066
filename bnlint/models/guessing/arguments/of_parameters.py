"""Values for the parameters of a constructor, by annotation, by use and by name."""

from __future__ import annotations

import collections.abc
import contextlib
import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import is_a
from bnlint.loading.missing.stand_ins import Stub, StubObject
from bnlint.models.evidence.configured import of_class
from bnlint.models.evidence.plain_values import built
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.guessing.arguments.guessed_settings import CountedSettings, GuessedSettings
from bnlint.models.guessing.arguments.knowledge import Knowledge, Lacking
from bnlint.models.guessing.arguments.of_annotations import (
    annotation_of,
    by_annotation,
    fitted_to,
    is_class_of_settings,
    is_open,
    origin_of,
)
from bnlint.models.guessing.arguments.of_parameter_use import (
    by_use,
    layer_types,
    literal_of,
    models_called,
    models_for,
    satisfying,
    singular,
)
from bnlint.models.lexicon import (
    CONFIG,
    DEVICES,
    LAYER_PARAMETER,
    LOGS,
    MODELS,
    WIDTH,
    in_lower_case,
    number,
)

_NOTHING = inspect.Parameter.empty
_SEVERAL = (
    *(list, dict, collections.abc.Sequence, collections.abc.Iterable),
    *(collections.abc.Collection, collections.abc.Mapping),
)
"""Types of what may hold several models."""


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
    hint, name = annotation_of(parameter, known.names), in_lower_case(parameter.name)
    use = known.uses.get(parameter.name, ParameterUse())
    unannotated = is_open(hint, use)
    if unannotated and (found := known.configured(parameter.name, use)) is not None:
        yield found
    wants_type = origin_of(hint) in (type, collections.abc.Callable)
    if wants_type or (unannotated and LAYER_PARAMETER.fullmatch(name) and not use.literals):
        yield from layer_types(name, known.names, use)
    if unannotated and LAYER_PARAMETER.fullmatch(name):
        yield from models_called(name, known)
    if unannotated:
        yield from _counted(parameter.name, use, known)
        yield from by_use(parameter.name, use, known)
    elif hint is str and use.literals:
        yield literal_of(name, use)
    yield from _by_module(hint, name, use, known)
    reads = unannotated and bool(use.fields)  # what has attributes is no number
    value = None if reads else number(name, known.profile)
    if value is not None:
        for fitting in fitted_to(hint, value, use):
            yield satisfying(fitting, use)
    if not unannotated:
        yield from _by_incomplete_class(hint, parameter.name, use, known)
        yield from by_annotation(hint, name, known.profile)
    if unannotated or (use.fields and is_class_of_settings(hint)):
        yield from _by_name(parameter.name, use, known)


def _counted(name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """What has a length and attributes, such as a vocabulary."""
    if use.sequence and any(not hasattr(list, field) for field in use.fields):
        yield settings(name, use, known, kind=CountedSettings)


def _by_incomplete_class(
    hint: Any, name: str, use: ParameterUse, known: Knowledge
) -> Iterator[Any]:
    """Settings of a class whose base is missing: known values, and guesses for the rest."""
    if use.fields and is_class_of_settings(hint) and issubclass(hint, StubObject):
        found = of_class(hint)
        values = {} if found is None else found.values
        certain = {key: value for key, value in values.items() if not is_a(value, Stub)}
        yield settings(name, use, known, certain)


def _by_name(name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """Values for names that ask for something else than a number."""
    key = in_lower_case(name)
    if DEVICES.fullmatch(key):
        yield "cpu"
    if name in known.uses and not use.read:
        yield None  # nothing is done with it
    if key in MODELS:
        yield from models_for(key, use, known)
    if CONFIG.fullmatch(key) or use.fields:
        yield settings(name, use, known)
    elif use.tested and not use.known:
        yield False  # no more than a switch
    elif use.read:
        yield WIDTH  # the error will say what it should have been


def _by_module(hint: Any, name: str, use: ParameterUse, known: Knowledge) -> Iterator[Any]:
    """A model where the annotation asks for one, of the class that it names if it can be built."""
    if isinstance(hint, type) and issubclass(hint, nn.Module):
        if hint is not nn.Module and (found := known.part(hint)) is not None:
            yield found
        yield from models_for(name, use, known)
    elif hint is torch.Tensor:
        yield torch.empty(100, WIDTH, device="meta")
    origin, inner = origin_of(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for option in inner:
            yield from _by_module(option, name, use, known)
    elif origin in _SEVERAL and inner:
        part = next(_by_module(inner[-1], singular(name), use.each or ParameterUse(), known), None)
        if part is not None:
            yield {"first": part} if issubclass(origin, collections.abc.Mapping) else [part, part]


def settings(
    name: str,
    use: ParameterUse,
    known: Knowledge,
    found: Mapping[str, Any] | None = None,
    kind: type[GuessedSettings] = GuessedSettings,
) -> GuessedSettings:
    """A settings object with the values found, and guesses for those that the code reads."""
    given = dict(found or {})

    def answer(key: str) -> Any:
        wanted = use.fields.get(key, ParameterUse())
        if wanted.optional or use.defaulted:
            raise LookupError(key)
        if key.startswith("_") and not wanted.known:
            return None  # what a library keeps for itself is not set yet
        return guessed_setting(key, f"{name}.{key}", wanted, known)

    made = kind(_with_attributes(given, name), answer, name)
    for key, wanted in use.fields.items():
        inner = given.get(key)
        if isinstance(inner, dict) and not isinstance(inner, GuessedSettings):
            made[key] = settings(f"{name}.{key}", wanted, known, inner)
        elif not (key in made or wanted.optional or use.defaulted or hasattr(dict, key)):
            with contextlib.suppress(KeyError):
                _ = made[key]
    return made


def _with_attributes(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings found, with those inside of them as attributes, too, however they are read."""
    return {
        key: GuessedSettings(_with_attributes(value, path), _nothing, path)
        if type(value) is dict and all(isinstance(each, str) for each in value)
        else value
        for key, value in given.items()
        for path in [f"{name}.{key}"]
    }


def _nothing(key: str) -> Any:
    raise LookupError(key)


def guessed_setting(key: str, path: str, use: ParameterUse, known: Knowledge) -> Any:
    """A guess for one setting; LookupError if nothing is known about it."""
    if use.fields and not (use.tensor or use.applied or use.sequence or use.module):
        return settings(path, use, known)
    name = in_lower_case(key)
    if LOGS.fullmatch(name) and not use.known:
        return None  # what is printed goes where it always goes
    value = next(by_use(key, use, known), None)
    if value is None:
        value = number(name, known.profile)
    if value is None and use.read and not use.called:
        value = WIDTH if use.number or use.role[0] else None
    if value is None and use.tested and not use.known:
        value = False  # no more than a switch
    if value is None and not key.isidentifier() and use.read:
        value = 0 if "pad" in name else 1  # the number of a word such as "<start>"
    if value is None:
        raise LookupError(key)
    return built(value)
