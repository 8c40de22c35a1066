"""Follows the parameters of a constructor or function through its code, and notes their uses."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from bnlint.models.evidence.bodies import Bodies, Function
from bnlint.models.evidence.callees import (
    Inside,
    is_super_init,
    names_of_arguments,
    parameters_of,
    places_of,
    resolved,
)
from bnlint.models.evidence.interpreting import Interpreter
from bnlint.models.evidence.uses import ParameterUse

_DEPTH = 5
"""Calls within calls that are followed."""

Uses = dict[str, ParameterUse]


class Follower:
    """The uses of parameters, of each callable once; ``names`` are those of the checked module."""

    def __init__(self, bodies: Bodies, names: Mapping[str, Any]) -> None:
        self.bodies, self.names = bodies, names
        self._known: dict[int, Uses] = {}
        self._kept: dict[int, Uses] = {}
        self._depth = 0

    def uses(self, value: Any) -> Uses:
        """The use of each parameter of a class or function; empty for library code."""
        if id(value) not in self._known:
            self._known[id(value)] = {}  # a recursive call adds nothing
            if self._depth < _DEPTH:
                self._depth += 1
                try:
                    self._known[id(value)] = self._follow(value)
                finally:
                    self._depth -= 1
        return self._known[id(value)]

    def _follow(self, value: Any) -> Uses:
        if isinstance(value, type):
            found = self.bodies.constructor(value)
            if found is None:
                return {}
            constructor, owner = found
            return self._of_class(constructor, value, owner)
        body = self.bodies.of(value)
        if not isinstance(body, Function):
            return {}
        uses = {name: ParameterUse() for name in names_of_arguments(body)}
        self.read(body, dict(uses), None)
        return uses

    def _of_class(self, constructor: Function, cls: type, owner: type) -> Uses:
        own, *names = names_of_arguments(constructor) or ["self"]
        uses = {name: ParameterUse() for name in names}
        methods = self.bodies.methods(cls)
        inside = Inside(own, methods, owner)
        known = dict(uses)
        self.read(constructor, known, inside)
        kept = {**inside.kept, **_stored(known)}
        for name, method in methods.items():
            if name != "__init__" and kept:
                self.read(method, dict(kept), inside, running=True)
        if inside.kept:  # what is known by now of arguments that methods stored
            self.read(constructor, dict(uses), inside)
        return uses

    def read(
        self, body: Function, known: Uses, inside: Inside | None, running: bool = False
    ) -> None:
        """Note what a body does with the values in ``known``; new names of them are added."""
        Interpreter(known, inside, self, running).read(body)

    def passed(
        self, call: ast.Call, inside: Inside | None, names: Mapping[str, Any]
    ) -> tuple[Uses, list[str], Any]:
        """Uses by parameter of what is called, its parameters in their order, and itself."""
        func = call.func
        if inside is not None and (method := inside.method(func)) is not None:
            return self._of_method(method, inside), places_of(method)[1:], method
        if inside is not None and is_super_init(func):
            base = next((c for c in inside.owner.__mro__[1:] if "__init__" in vars(c)), object)
            return self.uses(base), parameters_of(base), base
        target = resolved(func, names)
        if target is None or not callable(target):
            return {}, [], None
        return self.uses(target), parameters_of(target), target

    def _of_method(self, method: Function, inside: Inside) -> Uses:
        if id(method) not in self._known:
            uses = self._known[id(method)] = {
                n: ParameterUse() for n in names_of_arguments(method)[1:]
            }
            if self._depth < _DEPTH:
                self._depth += 1
                known = dict(uses)
                self.read(method, known, inside)
                self._kept[id(method)] = _stored(known)
                self._depth -= 1
        inside.kept.update(self._kept.get(id(method), {}))
        return self._known[id(method)]


def _stored(known: Uses) -> Uses:
    """The values that are kept as attributes."""
    return {name: use for name, use in known.items() if name.startswith("self.")}
