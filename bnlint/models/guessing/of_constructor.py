"""Calls of a constructor or a factory: as it is, as the source calls it, or with guessed arguments.

Values for required arguments are guessed from their names and annotations.
"""

from __future__ import annotations

import ast
import collections.abc
import enum
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from bnlint.loading.parsing import Source
from bnlint.models.guessing.guess import Guess, Origin
from bnlint.models.lexicon import (
    CONFIG,
    LAYER_PARAMETER,
    PROFILES,
    WITHOUT_WEIGHTS,
    Profile,
    layer_type,
    number,
    word,
)
from bnlint.models.outline import called, constants, location_of, scopes, tests_of, value_of
from bnlint.models.survey import Maker

_LIMIT = 12
"""Calls that are read from a file and its tests."""

_PLAIN = ("builtins", "inspect", "typing", "types", "collections.abc")
_NOTHING = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Lacking:
    """No call can be made, because nothing is known about this parameter."""

    parameter: str


def find_calls(maker: Maker, source: Source, names: Mapping[str, Any]) -> Iterator[Guess | Lacking]:
    """Calls to try, best first; ends with :class:`Lacking` if a parameter stays unknown.

    ``names`` is the module's namespace, where annotations and classes of the file are looked up.
    """
    if not maker.required:
        yield from _without_requirements(maker, names)
        return
    for call in _written_calls(maker.name, source, names):
        completed = _completed(maker, call, names)
        if completed is not None:
            yield completed
    yield from _guessed(maker, names)


def _written_calls(name: str, source: Source, names: Mapping[str, Any]) -> Iterator[Guess]:
    """Calls of ``name`` in the file, those under ``__main__`` first, then in its tests.

    Only arguments without side effects are evaluated: literals, names of the module, constants
    assigned in the same block. A call with any other argument is left out.
    """
    found: dict[str, Guess] = {}
    for text in (source, *tests_of(source)):
        for scope in scopes(text.tree, skip=name):
            local = constants(scope, names)
            for node in ast.walk(scope):
                if isinstance(node, ast.Call) and called(node) == name:
                    seen = _evaluated(node, text.path, local)
                    if seen is not None and len(found) < _LIMIT:
                        found.setdefault(seen.written(name), seen)
    yield from found.values()


def _evaluated(call: ast.Call, path: str, names: Mapping[str, Any]) -> Guess | None:
    if any(k.arg is None for k in call.keywords):
        return None
    try:
        args = tuple(value_of(a, names) for a in call.args)
        kwargs = {k.arg: value_of(k.value, names) for k in call.keywords if k.arg}
    except ValueError:
        return None
    return Guess(args, kwargs, Origin.FOUND, location_of(call, path))


def _without_requirements(maker: Maker, names: Mapping[str, Any]) -> Iterator[Guess]:
    """The plain call, without downloads, and with numbers for what the class may require."""
    yield Guess(origin=Origin.NONE)
    known = {p.name: WITHOUT_WEIGHTS[p.name] for p in maker.parameters if p.name in WITHOUT_WEIGHTS}
    if known:
        yield Guess((), known)
    unset = [p for p in maker.parameters if p.default is None and p.name not in WITHOUT_WEIGHTS]
    values = {p.name: next(_values(p, PROFILES[0], names), None) for p in unset}
    if numbers := {name: v for name, v in values.items() if type(v) in (int, float)}:
        yield Guess((), numbers, guessed=tuple(numbers))


def _completed(maker: Maker, call: Guess, names: Mapping[str, Any]) -> Guess | None:
    """A call written in the source, with guesses for the arguments that it lacks."""
    try:
        bound = inspect.Signature(maker.parameters).bind_partial(*call.args, **call.kwargs)
    except TypeError:
        return None
    missing = tuple(p for p in maker.required if p.name not in bound.arguments)
    filled = fill(missing, PROFILES[0], names)
    if isinstance(filled, Lacking):
        return None
    return replace(call, kwargs={**call.kwargs, **filled}, guessed=tuple(filled))


def _guessed(maker: Maker, names: Mapping[str, Any]) -> Iterator[Guess | Lacking]:
    """Calls with every required argument guessed, one for each profile."""
    tried: dict[str, Guess] = {}
    profiles = PROFILES[1:] + PROFILES[:1] if maker.part else PROFILES
    for profile in profiles:
        filled = fill(maker.required, profile, names)
        if isinstance(filled, Lacking):
            yield filled
            return
        guess = Guess((), filled, guessed=tuple(filled))
        if tried.setdefault(guess.written(maker.name), guess) is guess:
            yield guess


def fill(
    parameters: tuple[inspect.Parameter, ...], profile: Profile, names: Mapping[str, Any]
) -> dict[str, Any] | Lacking:
    """Values for these parameters by name, or the first one that nothing is known about."""
    filled = {}
    for parameter in parameters:
        value = next(_values(parameter, profile, names), _NOTHING)
        if value is _NOTHING:
            return Lacking(parameter.name)
        filled[parameter.name] = value
    return filled


def _values(
    parameter: inspect.Parameter, profile: Profile, names: Mapping[str, Any]
) -> Iterator[Any]:
    """Values that may work, likeliest first."""
    hint, name = _annotation(parameter, names), parameter.name.lower().strip("_")
    unannotated = hint in (_NOTHING, Any)
    wants_type = _origin(hint) in (type, collections.abc.Callable)
    if wants_type or (unannotated and LAYER_PARAMETER.fullmatch(name)):
        yield from _layer_types(name, names)
    value = number(name, profile)
    if value is not None:
        yield from _fitting(hint, value)
    yield from _by_annotation(hint, name, profile)
    if unannotated and CONFIG.fullmatch(name):
        yield GuessedConfig(profile)


def _fitting(hint: Any, value: Any) -> Iterator[Any]:
    """The value in the form that an annotation asks for; nothing if the annotation excludes it."""
    origin = _origin(hint)
    if hint in (_NOTHING, Any):
        yield value
    elif hint in (float, bool):
        yield hint(value[0] if isinstance(value, tuple) else value)
    elif hint is int and not isinstance(value, bool):
        yield value[0] if isinstance(value, tuple) else int(value)
    elif origin in (tuple, list, collections.abc.Sequence, collections.abc.Iterable):
        sizes = [a for a in typing.get_args(hint) if a is not ...]
        count = len(sizes) if origin is tuple and len(sizes) > 1 else 2
        items = value if isinstance(value, tuple) else (value,) * count
        yield tuple(items) if origin is tuple else list(items)
    elif origin in (typing.Union, types.UnionType):
        for option in typing.get_args(hint):
            yield from _fitting(option, value)


def _by_annotation(hint: Any, name: str, profile: Profile) -> Iterator[Any]:
    plain = {bool: False, float: 0.1, int: profile.channels_in, str: word(name)}
    if hint in (_NOTHING, Any):
        return
    if type(None) in typing.get_args(hint):
        yield None
    elif _origin(hint) is typing.Literal:
        yield typing.get_args(hint)[0]
    elif not isinstance(hint, type):
        return
    elif hint in plain:
        yield plain[hint]
    elif issubclass(hint, enum.Enum):
        yield next(iter(hint))
    elif hint.__module__ not in _PLAIN and not issubclass(hint, nn.Module):
        try:
            yield hint()  # usually a config
        except Exception:  # it needs arguments, or refuses its own defaults
            return


def _layer_types(name: str, names: Mapping[str, Any]) -> Iterator[Any]:
    """Blocks of the file if the name asks for one, and a class of torch."""
    if "block" in name:
        classes = (v for v in names.values() if isinstance(v, type) and issubclass(v, nn.Module))
        yield from (c for c in classes if re.search("block|neck", c.__name__.lower()))
    if (found := layer_type(name)) is not None:
        yield found


def _annotation(parameter: inspect.Parameter, names: Mapping[str, Any]) -> Any:
    hint = parameter.annotation
    if not isinstance(hint, str):
        return hint
    try:
        return eval(hint, dict(names))  # the file's own annotation, postponed
    except Exception:  # names that only a type checker imports
        return _NOTHING


def _origin(hint: Any) -> Any:
    return typing.get_origin(hint) or hint


class GuessedConfig:
    """A settings object that guesses every setting from its name."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def __repr__(self) -> str:
        """Three dots, as reports show it in a call."""
        return "..."

    def __getattr__(self, name: str) -> Any:
        value = None if name.startswith("_") else number(name.lower(), self._profile)
        if value is None:
            raise AttributeError(f"nothing is known about the setting {name!r}")
        return value

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError as error:
            raise KeyError(name) from error

    def get(self, name: str, default: Any = None) -> Any:
        """The default if there is one, else the guess."""
        return default if default is not None else getattr(self, name)
