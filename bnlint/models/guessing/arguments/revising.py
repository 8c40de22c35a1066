"""A guess with another value for one of its guessed arguments.

A path leads to the value: the parameter, then the keys of settings objects, or the argument of a
part that is built for the parameter.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bnlint.models.evidence.plain_values import built
from bnlint.models.guessing.arguments.blamed import Path
from bnlint.models.guessing.arguments.guessed_settings import GuessedSettings
from bnlint.models.guessing.arguments.knowledge import Part
from bnlint.models.guessing.guess import Guess

NOT_GUESSED = object()
"""What :func:`current_value` returns where nothing was guessed."""


def guessed_paths(guess: Guess) -> Iterator[Path]:
    """The paths to all guessed values, those of settings objects and of parts included."""
    for name in guess.assumed():
        path = tuple(name.split("."))
        value = guess.kwargs.get(path[0])
        if isinstance(value, Part):
            yield from _of_part(path, value)
        else:
            yield path


def current_value(guess: Guess, path: Path) -> Any:
    """The guessed value at a path; ``NOT_GUESSED`` if there is none."""
    value = guess.kwargs.get(path[0])
    if len(path) == 1:
        guessed = path[0] in guess.guessed and not isinstance(value, GuessedSettings)
        return value if guessed else NOT_GUESSED
    if isinstance(value, Part):
        return _value_in(value, path[1:])
    if isinstance(value, GuessedSettings):
        owner = settings_at(guess, path)  # what was found for it may not be what is meant
        return owner[path[-1]] if owner is not None and path[-1] in owner else NOT_GUESSED
    return (
        _entry(_holder(built(value), path), path[-1]) if path[0] in guess.guessed else NOT_GUESSED
    )


def revised(guess: Guess, path: Path, value: Any) -> Guess:
    """The guess with another value at a path; settings objects are copied."""
    old = guess.kwargs.get(path[0])
    if len(path) == 1:
        return replace(guess, kwargs={**guess.kwargs, path[0]: value})
    if isinstance(old, Part):
        new = _with_argument(old, path[1:], value)
        return replace(guess, kwargs={**guess.kwargs, path[0]: new})
    if not isinstance(old, GuessedSettings):
        own = copy.deepcopy(built(old))
        _set_entry(_holder(own, path), path[-1], value)
        return replace(guess, kwargs={**guess.kwargs, path[0]: own})
    changed = replace(guess, kwargs={**guess.kwargs, path[0]: old.copy()})
    owner = settings_at(changed, path)
    assert owner is not None
    owner.guess(path[-1], value)
    return changed


def settings_at(guess: Guess, path: Path) -> GuessedSettings | None:
    """The settings object that holds, or lacks, the setting at a path."""
    value = guess.kwargs.get(path[0])
    for key in path[1:-1]:
        value = dict.get(value, key) if isinstance(value, dict) else None
    return value if isinstance(value, GuessedSettings) and len(path) > 1 else None


def _holder(settings: Any, path: Path) -> Any:
    """The object inside a config of the user's that holds the setting at a path."""
    for key in path[1:-1]:
        settings = _entry(settings, key)
    return settings


def _entry(settings: Any, key: str) -> Any:
    if isinstance(settings, dict):
        return settings.get(key, NOT_GUESSED)
    return getattr(settings, key, NOT_GUESSED) if hasattr(settings, "__dict__") else NOT_GUESSED


def _set_entry(settings: Any, key: str, value: Any) -> None:
    if isinstance(settings, dict):
        settings[key] = value
    else:
        with contextlib.suppress(AttributeError):  # the size of a tensor
            object.__setattr__(settings, key, value)  # it may be frozen


def _of_part(path: Path, part: Part) -> Iterator[Path]:
    for name, value in part.arguments.items():
        if isinstance(value, Part):
            yield from _of_part((*path, name), value)
        else:
            yield (*path, name)


def _value_in(part: Any, path: Path) -> Any:
    """The argument of a part, or of a part of it."""
    arguments: Mapping[str, Any] = part.arguments if isinstance(part, Part) else {}
    if path[0] not in arguments:
        return NOT_GUESSED
    value = arguments[path[0]]
    return value if len(path) == 1 else _value_in(value, path[1:])


def _with_argument(part: Part, path: Path, value: Any) -> Part:
    inner = value if len(path) == 1 else _with_argument(part.arguments[path[0]], path[1:], value)
    return replace(part, arguments={**part.arguments, path[0]: inner})
