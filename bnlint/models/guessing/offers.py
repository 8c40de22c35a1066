"""Ways to call a maker: as it is, as the source around it does, or with guessed arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bnlint.loading.source import Source
from bnlint.models.guessing.lexicon import PROFILES
from bnlint.models.guessing.of_constructor import GuessedConfig, fill
from bnlint.models.guessing.written import seen_calls, shown_value
from bnlint.models.survey import Maker

_NO_WEIGHTS = {
    "pretrained": False,
    "pretrained_backbone": False,
    "weights": None,
    "weights_backbone": None,
    "encoder_weights": None,
}
"""Arguments that say which weights to fetch, and the value that fetches none."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One call that may give a model: how it is written, which arguments were made up."""

    text: str
    make: Callable[[], Any]
    guessed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lacking:
    """No call can be made: nothing is known about this parameter."""

    parameter: str


def offers(maker: Maker, source: Source, names: Mapping[str, Any]) -> Iterator[Offer | Lacking]:
    """Calls to try, best first; ends with :class:`Lacking` where a parameter stays unknown."""
    if not maker.required:
        yield _offer(maker, (), {}, ())
        if known := {
            p.name: _NO_WEIGHTS[p.name] for p in maker.parameters if p.name in _NO_WEIGHTS
        }:
            yield _offer(maker, (), known, ())
        if told := _numbers_for_none(maker, names):
            yield _offer(maker, (), told, tuple(told))
        return
    for call in seen_calls(maker.name, source, names):
        filled = _completed(maker, call.args, call.kwargs, names)
        if filled is not None:
            yield filled
    yield from _guesses(maker, names)


def _numbers_for_none(maker: Maker, names: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers for what defaults to None: a class may well refuse to be built without them."""
    found = {}
    for parameter in maker.parameters:
        if parameter.default is None and parameter.name not in _NO_WEIGHTS:
            asked = parameter.replace(default=parameter.empty)
            value = fill((asked,), PROFILES[0], names).values.get(parameter.name)
            if type(value) in (int, float):
                found[parameter.name] = value
    return found


def _guesses(maker: Maker, names: Mapping[str, Any]) -> Iterator[Offer | Lacking]:
    tried = set()
    profiles = PROFILES[1:] + PROFILES[:1] if maker.part else PROFILES
    for profile in profiles:
        filled = fill(maker.required, profile, names)
        if filled.missing:
            yield Lacking(filled.missing)
            return
        offer = _offer(maker, (), filled.values, tuple(filled.values))
        if offer.text not in tried:
            tried.add(offer.text)
            yield offer


def _completed(
    maker: Maker, args: tuple[Any, ...], kwargs: Mapping[str, Any], names: Mapping[str, Any]
) -> Offer | None:
    """A call seen in the source; arguments it lacks are guessed."""
    try:
        bound = inspect.Signature(maker.parameters).bind_partial(*args, **kwargs)
    except TypeError:
        return None
    missing = tuple(p for p in maker.required if p.name not in bound.arguments)
    filled = fill(missing, PROFILES[0], names)
    if filled.missing:
        return None
    return _offer(maker, args, {**kwargs, **filled.values}, tuple(filled.values))


def _offer(
    maker: Maker, args: tuple[Any, ...], kwargs: Mapping[str, Any], guessed: tuple[str, ...]
) -> Offer:
    shown = [shown_value(a) for a in args]
    shown += [f"{key}={_shown(value)}" for key, value in kwargs.items()]
    text = f"{maker.name}({', '.join(shown)})"
    return Offer(text, partial(maker.make, *args, **kwargs), guessed)


def _shown(value: Any) -> str:
    return "..." if isinstance(value, GuessedConfig) else shown_value(value)
