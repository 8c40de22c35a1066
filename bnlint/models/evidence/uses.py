"""What a value must be like, by what the code does with it.

A constructor that takes ``len(widths)`` and ``widths[-1]`` wants a sequence, one that compares
``mode`` with ``"relu"`` wants that word. Uses are followed through attributes of ``self``, local
names, helper methods and the constructors of the file's own classes.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from bnlint.models.outline import names_read


@dataclass(slots=True)
class ParameterUse:
    """What is known of one value.

    ``literals`` are values that it is compared with or looked up by. ``items`` is the least number
    of items of a sequence, ``exact`` if it is unpacked into that many; ``each`` is the use of its
    items, ``parts`` that of items that are unpacked into names. ``fields`` are attributes and keys
    that are read from it, each with its own use; ``optional`` ones have a default there, and all of
    what is ``defaulted`` may have one: it is merged over others. ``called``
    is true in a constructor, ``applied`` in other methods, ``helper`` for what is called for its
    effect, or with texts alone. ``keyed`` is true if it is looked up by
    what iterating over it yields. ``role`` is the parameter of a layer of
    torch that it becomes, and that layer's class. ``conditions`` must hold for a name's value.
    ``arguments`` and ``keywords`` are what it is called with.
    """

    word: bool = False
    number: bool = False
    fraction: bool = False
    whole: bool = False
    sequence: bool = False
    mapping: bool = False
    keyed: bool = False
    called: bool = False
    helper: bool = False
    applied: bool = False
    tensor: bool = False
    array: bool = False
    module: bool = False
    tested: bool = False
    optional: bool = False
    defaulted: bool = False
    spread: bool = False
    read: int = 0
    items: int = 0
    exact: bool = False
    literals: list[Any] = field(default_factory=list)
    fields: dict[str, ParameterUse] = field(default_factory=dict)
    conditions: list[tuple[ast.expr, str]] = field(default_factory=list)
    role: tuple[str, str] = ("", "")
    each: ParameterUse | None = None
    parts: list[tuple[str, ParameterUse]] = field(default_factory=list)
    arguments: int = -1
    keywords: set[str] = field(default_factory=set)

    @property
    def known(self) -> bool:
        """True if anything tells what the value is."""
        kinds: tuple[bool, ...] = self.word, self.number, self.sequence, self.mapping
        kinds = *kinds, self.called, self.applied
        return any(
            (*kinds, self.tensor, self.array, self.module, self.literals, self.fields, self.role[0])
        )

    def item(self) -> ParameterUse:
        """The use of the items of a sequence."""
        self.each = self.each or ParameterUse()
        return self.each

    def at(self, name: str) -> ParameterUse:
        """The use of one attribute or key."""
        return self.fields.setdefault(name, ParameterUse())

    def join(self, name: str, other: ParameterUse, optional: bool) -> None:
        """Join what is known of an attribute or key; it is optional if it is so in every place."""
        fresh = name not in self.fields
        own = self.at(name)
        own.add(other)
        own.optional = optional if fresh else own.optional and optional

    def part(self, number: int, name: str) -> ParameterUse:
        """The use of one item of a sequence that is always unpacked into the same names."""
        while len(self.parts) <= number:
            self.parts.append(("", ParameterUse()))
        use = self.parts[number][1]
        self.parts[number] = (self.parts[number][0] or name, use)
        return use

    def add(self, other: ParameterUse) -> None:
        """Join what is known of the same value elsewhere."""
        if other is self:
            return
        for flag in _FLAGS:
            setattr(self, flag, getattr(self, flag) or getattr(other, flag))
        self.items, self.read = max(self.items, other.items), self.read + other.read
        self.exact |= other.exact
        self.literals += [v for v in other.literals if not _contains(self.literals, v)]
        self.conditions += other.conditions
        self.role = self.role if self.role[0] else other.role
        self.arguments = max(self.arguments, other.arguments)
        self.keywords |= other.keywords
        for name, use in other.fields.items():
            self.join(name, use, use.optional)
        for number, (name, use) in enumerate(other.parts):
            self.part(number, name).add(use)
        if other.each is not None:
            self.item().add(other.each)


_FLAGS = (
    *("word", "number", "fraction", "whole", "sequence", "mapping", "called", "applied", "tensor"),
    *("array", "module", "tested", "defaulted", "keyed", "helper", "spread"),
)


def _contains(values: list[Any], value: Any) -> bool:
    return any(type(v) is type(value) and v == value for v in values)


def is_condition_of(test: ast.expr, name: str) -> bool:
    """True if the condition depends on one name only, and can be evaluated for any value of it."""
    names = names_read(test)
    calls = [n.func for n in ast.walk(test) if isinstance(n, ast.Call)]
    plain = all(isinstance(f, ast.Name) and f.id in _HARMLESS_CALLS for f in calls)
    attributes = any(isinstance(n, ast.Attribute) for n in ast.walk(test))
    return plain and not attributes and names - _HARMLESS_CALLS == {name}


def holds(test: ast.expr, name: str, value: Any) -> bool:
    """Whether a condition on one name is true for a value; false if it raises."""
    code = compile(ast.fix_missing_locations(ast.Expression(test)), "<condition>", "eval")
    try:
        return bool(eval(code, {"__builtins__": _CALLABLE, name: value}))
    except Exception:
        return False


_CALLABLE = {f.__name__: f for f in (len, int, isinstance, list, tuple, str, float, all, any, type)}
_HARMLESS_CALLS = frozenset(_CALLABLE)
