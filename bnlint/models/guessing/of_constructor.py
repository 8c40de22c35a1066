"""Values for required arguments, made up from their names and annotations."""

from __future__ import annotations

import collections.abc
import enum
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from bnlint.models.guessing.lexicon import Profile, is_config, layer_type, number, word

_PLAIN = ("builtins", "inspect", "typing", "types", "collections.abc")
_MAKER = re.compile(r".*(_layer|_func|_fn|_class|_cls|layer_type)|block|activation|act|norm")
_NOTHING = inspect.Parameter.empty


@dataclass(slots=True)
class Filled:
    """Keyword values for required parameters; ``missing`` is the first one nothing is known of."""

    values: dict[str, Any] = field(default_factory=dict)
    missing: str = ""


def fill(
    parameters: tuple[inspect.Parameter, ...], profile: Profile, names: Mapping[str, Any]
) -> Filled:
    """Values for these parameters; stops at the first one that nothing is known about.

    ``names`` is the module's namespace, where annotations and classes of the file are looked up.
    """
    filled = Filled()
    for parameter in parameters:
        found = list(_values(parameter, profile, names))
        if not found:
            filled.missing = parameter.name
            return filled
        filled.values[parameter.name] = found[0]
    return filled


def _values(
    parameter: inspect.Parameter, profile: Profile, names: Mapping[str, Any]
) -> Iterator[Any]:
    """Values that may do, likeliest first."""
    hint, name = _annotation(parameter, names), parameter.name.lower().strip("_")
    if _wants_type(hint, name):
        yield from _layer_types(name, names)
    value = number(name, profile)
    if value is not None:
        yield from _fitting(hint, value)
    yield from _by_annotation(hint, name, profile)
    if hint in (_NOTHING, Any) and is_config(name):
        yield GuessedConfig(profile)


def _fitting(hint: Any, value: Any) -> Iterator[Any]:
    """The value in the form that an annotation asks for; nothing where it rules it out."""
    origin = _origin(hint)
    if hint in (_NOTHING, Any):
        yield value
    elif hint in (float, bool):
        yield hint(value[0] if isinstance(value, tuple) else value)
    elif hint is int and not isinstance(value, bool):
        yield value[0] if isinstance(value, tuple) else int(value)
    elif origin in (tuple, list, collections.abc.Sequence, collections.abc.Iterable):
        yield _sequence(hint, value)
    elif origin in (typing.Union, types.UnionType):
        for option in typing.get_args(hint):
            yield from _fitting(option, value)


def _sequence(hint: Any, value: Any) -> Any:
    arguments = [a for a in typing.get_args(hint) if a is not ...]
    fixed = _origin(hint) is tuple and len(arguments) > 1
    items = value if isinstance(value, tuple) else (value,) * (len(arguments) if fixed else 2)
    return tuple(items) if _origin(hint) is tuple else list(items)


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
        yield from _settings(hint)


def _settings(cls: type) -> Iterator[Any]:
    """An object of a class whose arguments all have defaults: a config, as a rule."""
    try:
        yield cls()
    except Exception:  # it needs arguments, or does not like their defaults
        return


def _wants_type(hint: Any, name: str) -> bool:
    """True for a parameter that takes a class of layers, by its annotation or by its name."""
    if _origin(hint) in (type, collections.abc.Callable):
        return True
    return hint in (_NOTHING, Any) and bool(_MAKER.fullmatch(name))


def _layer_types(name: str, names: Mapping[str, Any]) -> Iterator[Any]:
    """A block of the file where a block is asked for; else a class of torch."""
    if "block" in name:
        for value in names.values():
            if isinstance(value, type) and issubclass(value, nn.Module) and _is_block(value):
                yield value
    found = layer_type(name)
    if found is not None:
        yield found


def _is_block(cls: type) -> bool:
    return any(word in cls.__name__.lower() for word in ("block", "neck"))


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
    """A settings object that answers by the names it is asked for."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

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
        """The default where there is one, else the guess."""
        return default if default is not None else getattr(self, name)
