"""What is known while training code is read: attributes of objects, losses found, the budget."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bnlint.domain.graph import Location
from bnlint.models.training.code_values import (
    NOTHING,
    UNCLEAR,
    CodeDefinition,
    CodeObject,
    ModelObject,
    ModelResult,
    Unclear,
    Values,
)
from bnlint.models.training.scripts import CodeFile

_STEPS, _DEEPEST, _MOST = 15_000, 8, 12
"""Expressions that are read for one file, calls within calls, and alternatives of a value."""


@dataclass(frozen=True, slots=True)
class FoundUse:
    """A loss that is applied to a result of a model."""

    result: ModelResult
    loss: str
    place: Location


@dataclass(frozen=True, slots=True)
class FoundEvaluation:
    """A model that is called while gradients are disabled."""

    model: ModelObject
    place: Location


@dataclass(frozen=True, slots=True)
class ReadCall:
    """A call with the values of its arguments."""

    node: ast.Call
    args: tuple[Values, ...]
    kwargs: tuple[tuple[str, Values], ...]

    def first(self) -> Values:
        """The values of what a function of torch works on."""
        named = dict(self.kwargs)
        return self.args[0] if self.args else named.get("input", UNCLEAR)


@dataclass(slots=True)
class Frame:
    """A body that is read: its script, its local names, and whether gradients are disabled."""

    script: CodeFile
    names: dict[str, Values] = field(default_factory=dict)
    without_gradients: bool = False
    returned: Values = NOTHING

    def branch(self) -> Frame:
        """A copy for one way through a condition."""
        return replace(self, names=dict(self.names))

    def place(self, node: ast.expr) -> Location:
        """Where an expression is in the file."""
        return Location(self.script.source.path, node.lineno, node.col_offset + 1)


@dataclass(slots=True)
class ReadingState:
    """All that one reading knows.

    ``imported`` finds what a dotted name of the project is, ``call`` is what a call returns, and
    ``run`` what a function returns for the arguments of a call.
    """

    imported: Callable[[str, CodeFile], CodeDefinition | ModelObject | None]
    call: Callable[[ast.Call, Frame, ReadingState], Values]
    run: Callable[[CodeDefinition, ReadCall | None, Frame, ReadingState], Values]
    attributes: dict[Any, dict[str, Values]] = field(default_factory=dict)
    uses: dict[FoundUse, None] = field(default_factory=dict)
    unsure: set[tuple[ModelObject, Location]] = field(default_factory=set)
    evaluations: dict[FoundEvaluation, None] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    active: list[int] = field(default_factory=list)
    steps: int = 0

    def restart(self) -> None:
        """Forget all but the attributes, before everything is read again."""
        self.uses.clear()
        self.unsure.clear()
        self.evaluations.clear()
        self.read.clear()
        self.steps = 0

    def step(self) -> bool:
        """Count one expression; false if the budget is spent."""
        self.steps += 1
        return self.steps < _STEPS

    def may_enter(self, node: ast.AST) -> bool:
        """Whether a function may be read inside of those that are being read."""
        return id(node) not in self.active and len(self.active) < _DEEPEST and self.steps < _STEPS

    def attribute(self, owner: Any, name: str) -> Values:
        """The values of an attribute, whenever it was set."""
        return self.attributes.get(holder_of(owner), {}).get(name, UNCLEAR)

    def set_attribute(self, owner: Any, name: str, values: Values) -> None:
        """Add values of an attribute; what is unclear adds nothing where something is known."""
        known = self.attributes.setdefault(holder_of(owner), {})
        known[name] = joined(known.get(name, NOTHING), values)


def holder_of(owner: Any) -> Any:
    """What attributes are kept by: an object, or the class of a model."""
    if isinstance(owner, ModelObject):
        return owner.name
    return (id(owner.definition.node), owner.key) if isinstance(owner, CodeObject) else owner


def joined(*many: Values) -> Values:
    """All alternatives; unclear if there are too many."""
    found = frozenset().union(*many)
    return found if len(found) <= _MOST else UNCLEAR


def is_clear(values: Values) -> bool:
    """Whether every alternative is known."""
    return bool(values) and not any(isinstance(value, Unclear) for value in values)
