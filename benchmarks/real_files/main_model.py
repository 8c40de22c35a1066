"""Which model of a file is its main one, decided from the text alone.

So the choice is the same before and after a change of bnlint, and no result can bear on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .outline import Outline


def main_model(outline: Outline) -> str | None:
    """The class that uses most other classes of those that none uses; of equals, the longest.

    A class counts as used when another class mentions it, directly or through functions; one that a
    factory returns may be the main one all the same.
    """
    models = outline.models
    uses = {name: _used(outline, name) for name in models}
    used = {other for name in models for other in uses[name] - {name}}
    used -= {name for factory in outline.functions for name in _made(outline, factory)}
    candidates = [name for name in models if name not in used] or models

    def rank(name: str) -> tuple[int, int]:
        return len(uses[name] & set(models)), outline.classes[name].lines

    return max(candidates, key=rank, default=None)


def names_for(outline: Outline, main: str) -> frozenset[str]:
    """The names under which a run may speak of the main model: its own, factories, instances."""
    factories = {name for name in outline.functions if main in _made(outline, name)}
    made = {main, *factories}
    instances = {name for name, mentioned in outline.assigned.items() if mentioned & made}
    return frozenset(made | instances)


def _used(outline: Outline, name: str) -> frozenset[str]:
    """All classes and functions that a class mentions, and those that these mention."""
    return _closure(outline, outline.classes[name].names)


def _made(outline: Outline, function: str) -> frozenset[str]:
    """The model classes that a factory mentions itself or through other functions."""
    if not outline.functions[function].returns:
        return frozenset()
    names: set[str] = set()
    waiting = [function]
    while waiting:
        for name in outline.functions[waiting.pop()].names - names:
            names.add(name)
            if name in outline.functions:
                waiting.append(name)
    return frozenset(names & set(outline.models))


def _closure(outline: Outline, names: Iterable[str]) -> frozenset[str]:
    known = {**outline.functions, **outline.classes}
    found: set[str] = set()
    waiting = [name for name in names if name in known]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [other for other in known[name].names if other in known]
    return frozenset(found)
