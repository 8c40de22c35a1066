"""What a name in training code refers to, as far as that is certain.

A value is a set of alternatives: code such as ``net = A() if small else B()`` leaves two.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

Values = frozenset[Any]


@dataclass(frozen=True, slots=True)
class Unclear:
    """Something that is not followed."""


@dataclass(frozen=True, slots=True)
class ModelObject:
    """A model: the name of its class or of the instance, and the flags it was built with."""

    name: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What a call of a model returned, or a part of it.

    ``path`` holds the indices, keys and attributes that were taken, ``applied`` the activations
    that the training code applied to it.
    """

    model: ModelObject
    path: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LossFunction:
    """A loss of torch, by the name of the function that computes it."""

    name: str


@dataclass(frozen=True, slots=True)
class ActivationFunction:
    """An activation that changes what a loss may be applied to."""

    name: str


@dataclass(frozen=True, slots=True)
class CodeObject:
    """An instance of a class that the code defines: the class, and where it is built."""

    definition: CodeDefinition
    key: int


@dataclass(frozen=True, slots=True)
class CodeDefinition:
    """A function, method or class of a script; ``bound`` is the ``self`` of a method."""

    script: Any
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    bound: Any = None

    @property
    def name(self) -> str:
        """The name that it is defined under."""
        return self.node.name

    def methods(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """The methods of a class by name; none of a function."""
        body = self.node.body if isinstance(self.node, ast.ClassDef) else []
        return {n.name: n for n in body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}


@dataclass(frozen=True, slots=True)
class Several:
    """A tuple, a list or a dict with plain keys: the values by position or key."""

    items: tuple[tuple[str, Values], ...]

    def at(self, key: str) -> Values:
        """The values at a position or key."""
        return next((values for name, values in self.items if name == key), UNCLEAR)


UNCLEAR: Values = frozenset((Unclear(),))
NOTHING: Values = frozenset()
"""The value of None, which no code applies to a result."""
