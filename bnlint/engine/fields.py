"""Values in a rule file: each is described once, for the parser and for the JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from yaml.nodes import Node, ScalarNode

from bnlint.engine.reader import Reader

T = TypeVar("T")
Schema: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """What a value may be: how a node is read, with its name in messages, and the JSON Schema."""

    read: Callable[[Reader, Node, str], T]
    schema: Schema

    def called(self, name: str) -> Field[T]:
        """The same under a name of its own in messages."""
        return Field(lambda reader, node, _: self.read(reader, node, name), self.schema)

    def defined(self, name: str) -> Field[T]:
        """The same, to which the schema refers by name."""
        return Field(self.read, defined(name))


TEXT = Field(Reader.string, {"type": "string"})
BOOLEAN = Field(Reader.boolean, {"type": "boolean"})
NUMBER = Field(Reader.number, {"type": "number"})
COUNT = Field(lambda reader, node, what: int(reader.number(node, what)), NUMBER.schema)


def defined(name: str) -> Schema:
    """A reference to one of the schema's definitions."""
    return {"$ref": f"#/$defs/{name}"}


def array(item: Schema, **more: int) -> Schema:
    """The schema of a list."""
    return {"type": "array", "items": item, **more}


def matching(pattern: str, hint: str) -> Field[str]:
    """Text that matches a pattern as a whole."""

    def read(reader: Reader, node: Node, what: str) -> str:
        text = reader.string(node, what)
        if text and not re.fullmatch(pattern, text):
            reader.wrong(node, f"{what} cannot be {text!r}", hint)
        return text

    return Field(read, {"type": "string", "pattern": f"^(?:{pattern})$"})


def choice(meanings: Mapping[str, T]) -> Field[T]:
    """One of the words of a table, as what it means; the first where another one is written."""

    def read(reader: Reader, node: Node, what: str) -> T:
        text = reader.word(node, meanings, what)
        return meanings.get(text, next(iter(meanings.values())))

    return Field(read, {"enum": sorted(meanings)})


def word(words: Iterable[str]) -> Field[str]:
    """One of the words."""
    return choice({word: word for word in words})


def many(item: AnyField, *, or_one: bool = False) -> Field[tuple[Any, ...]]:
    """A list, or a single item of it; what has too little to make an item is left out."""

    def read(reader: Reader, node: Node, what: str) -> tuple[Any, ...]:
        one = or_one and isinstance(node, ScalarNode)
        nodes = [node] if one else reader.sequence(node, what)
        items = (item.read(reader, node, what) for node in nodes)
        return tuple(value for value in items if value is not None)

    listed = array(item.schema)
    return Field(read, {"anyOf": [item.schema, listed]} if or_one else listed)


@dataclass(frozen=True)
class Entries(Generic[T]):
    """The entries of a mapping: its name in messages, keys, required keys, and what they make.

    Values are passed to ``make`` by their keys, or as the parameters in ``names``; where it is
    ``located``, also the place of the mapping.
    """

    what: str
    make: Callable[..., T]
    keys: Mapping[str, AnyField]
    required: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    located: bool = False

    def read(self, reader: Reader, node: Node, _: str = "") -> T | None:
        """What the entries make; None where a required key is missing."""
        parts = self.complete(reader, node)
        if parts is None:
            return None
        place = {"location": reader.location(node)} if self.located else {}
        return self.make(**self.values(reader, parts), **place)

    def complete(self, reader: Reader, node: Node) -> dict[str, Node] | None:
        """The nodes by key, or None where a required key is missing."""
        found = reader.mapping(node, self.keys, self.what, self.required)
        return found if found.keys() >= {*self.required} else None

    def values(self, reader: Reader, parts: Mapping[str, Node]) -> dict[str, Any]:
        """The values of entries by the names of parameters."""
        return {
            self.names.get(key, key): self.keys[key].read(reader, node, key)
            for key, node in parts.items()
        }

    @property
    def schema(self) -> Schema:
        """The schema of an object without other keys."""
        return {
            "type": "object",
            "properties": {key: value.schema for key, value in self.keys.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }


AnyField: TypeAlias = Field[Any] | Entries[Any]
