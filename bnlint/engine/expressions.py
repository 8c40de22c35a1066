"""The pattern of a rule, and the conditions, messages and fixes that refer to its captures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bnlint.domain.rule import Capture, Condition, FixRecipe, Operand, Tags
from bnlint.edits import actions
from bnlint.engine.conditions import OPERATORS, Operator
from bnlint.engine.fields import NUMBER, TEXT, Entries, Field, Schema, array, defined, many, word
from bnlint.engine.reader import MODEL_WORDS, MODULE_WORDS, OP_WORDS, SETTINGS, Reader
from bnlint.engine.wording import placeholders
from bnlint.graph.facts import INITIAL_PREFIX
from bnlint.layers.table import tags

CAPTURE = r"[a-z][a-z0-9_]*"
CONVENTION_WORDS = frozenset(("count", "total", "share"))
SHAPE_OF_A_CONDITION = "a condition is [$capture.fact, operator, value]"

TAGS = many(word(tags()).called("a tag"), or_one=True)
TAG_LISTS = Entries(
    "tags",
    Tags,
    dict.fromkeys(("is", "not"), TAGS.defined("tags")),
    names={"is": "any_of", "not": "none_of"},
)


def _pattern(reader: Reader, node: Node, what: str) -> tuple[Capture, ...]:
    """The captures, each with the gap before it."""
    found: list[Capture] = []
    gap: Tags | None = None
    items = reader.sequence(node, what)
    for item in items:
        entries = reader.mapping(item, None, "a step of match")
        if len(entries) != 1:
            reader.wrong(item, "a step of match has one name", "- bn: {is: batchnorm}")
            continue
        ((name, body),) = entries.items()
        fitting = Tags(**TAG_LISTS.values(reader, reader.mapping(body, TAG_LISTS.keys, name)))
        if name != "through":
            _check_capture(reader, item, name, found)
            found.append(Capture(name, fitting, gap))
            gap = None
            continue
        if not found or gap is not None or item is items[-1]:
            reader.wrong(item, "a 'through' must be between two captures")
        gap = fitting
    if not found:
        reader.wrong(node, "match must capture something")
    return tuple(found)


def _check_capture(reader: Reader, item: Node, name: str, found: list[Capture]) -> None:
    if not re.fullmatch(CAPTURE, name) or name in ("model", "settings", "convention"):
        reader.wrong(item, f"a capture cannot be named {name!r}")
    if name in (c.name for c in found):
        reader.wrong(item, f"two captures are named {name!r}")


def _conditions(reader: Reader, node: Node, what: str) -> tuple[Condition, ...]:
    """A list of conditions; a single condition counts as a list of one."""
    items = [node] if isinstance(node, MappingNode) else reader.sequence(node, what)
    if items and isinstance(items[0], ScalarNode):
        items = [node]
    if not items:
        reader.wrong(node, f"{what} holds no condition", SHAPE_OF_A_CONDITION)
    found = (_condition(reader, item) for item in items)
    return tuple(c for c in found if c is not None)


def _condition(reader: Reader, node: Node) -> Condition | None:
    if isinstance(node, MappingNode):
        return _alternatives(reader, node)
    parts = node.value if isinstance(node, SequenceNode) else []
    if len(parts) == 1:
        return _is_true(reader, node, parts[0], True)
    if len(parts) == 2 and isinstance(parts[0], ScalarNode) and parts[0].value == "not":
        return _is_true(reader, node, parts[1], False)
    if not 2 <= len(parts) <= 3:
        reader.wrong(node, "this is no condition", SHAPE_OF_A_CONDITION)
        return None
    return _compared(reader, node, parts)


def _alternatives(reader: Reader, node: MappingNode) -> Condition | None:
    parts = ANY.complete(reader, node)
    if parts is None:
        return None
    found = _conditions(reader, parts["any"], "any")
    if len(found) < 2:
        reader.wrong(node, "any holds two conditions or more", SHAPE_OF_A_CONDITION)
    return Condition(Operand(), "any", location=reader.location(node), alternatives=found)


def _is_true(reader: Reader, node: Node, fact: Node, value: bool) -> Condition:
    """``[$a.b]`` and ``[not, $a.b]``."""
    return Condition(_left(reader, fact), "eq", Operand(value=value), reader.location(node))


def _left(reader: Reader, node: Node) -> Operand:
    left = _operand(reader, node)
    if not left.subject:
        reader.wrong(node, "the left side must be a fact", SHAPE_OF_A_CONDITION)
    return left


def _compared(reader: Reader, node: Node, parts: list[Node]) -> Condition | None:
    name = reader.word(parts[1], OPERATORS, "an operator")
    operator = OPERATORS.get(name)
    if operator is None:
        return None
    if len(parts) != operator.sides + 1:
        more = "nothing" if operator.sides == 1 else "a value"
        reader.wrong(node, f"{name!r} takes {more} on its right", SHAPE_OF_A_CONDITION)
        return None
    right = _right(reader, parts[2], operator) if operator.sides == 2 else Operand()
    return Condition(_left(reader, parts[0]), name, right, reader.location(node))


def _right(reader: Reader, node: Node, operator: Operator) -> Operand:
    right = _operand(reader, node)
    value = right.value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if operator.takes == "number" and not (right.subject or number):
        reader.wrong(node, f"{operator.word!r} compares with a number")
    if operator.takes == "list" and not (right.subject or isinstance(value, tuple)):
        reader.wrong(node, f"{operator.word!r} takes a list: [a, b]")
    return right


def _operand(reader: Reader, node: Node, _: str = "") -> Operand:
    value = reader.value(node, "an operand")
    plain = isinstance(node, ScalarNode) and not node.style
    if not (plain and isinstance(value, str) and value.startswith("$")):
        return Operand(value=value)
    subject, _, fact = value[1:].partition(".")
    problem, hint = reader.problem(subject, fact)
    if problem:
        reader.wrong(node, f"{value}: {problem}", hint)
    return Operand(subject, fact)


def _message(reader: Reader, node: Node, what: str) -> str:
    text = reader.string(node, what)
    for subject, fact in placeholders(text):
        problem, hint = reader.problem(subject, fact)
        if problem:
            reader.wrong(node, f"the message's {{{subject}.{fact}}}: {problem}", hint)
    return text


def _convention_message(reader: Reader, node: Node, what: str) -> str:
    hint = "a convention's message knows the model and {convention.count|total|share}"
    text = reader.string(node, what)
    for subject, fact in placeholders(text):
        if subject == "convention" and fact in CONVENTION_WORDS:
            continue
        problem, _ = reader.problem(subject, fact)
        if problem or subject not in ("model", "settings"):
            said = f"the message's {{{subject}.{fact}}}: {problem or 'no capture here'}"
            reader.wrong(node, said, hint)
    return text


PATTERN = Field(_pattern, array(defined("step"), minItems=1))
CAPTURE_NAME = Field(
    lambda reader, node, what: reader.word(node, reader.captures, what),
    {"type": "string", "pattern": f"^(?:{CAPTURE})$"},
)
OPERAND = Field(_operand, defined("value"))
CONDITIONS = Field(_conditions, defined("conditions"))
ANY: Entries[Any] = Entries(
    "an alternative", dict, {"any": Field(_conditions, array(defined("condition")))}, ("any",)
)
MESSAGE = Field(_message, TEXT.schema)
CONVENTION_MESSAGE = Field(_convention_message, TEXT.schema)


ACTIONS = actions()
RECIPES: dict[str, Entries[Any]] = {
    name: Entries(
        name,
        dict,
        {**dict.fromkeys(a.roles, CAPTURE_NAME), **dict.fromkeys(a.arguments, OPERAND)},
        (*a.roles, *a.arguments),
    )
    for name, a in ACTIONS.items()
}
_FIX: Entries[Any] = Entries(
    "fix", dict, {**RECIPES, "safety": word(("safe", "unsafe"))}, ("safety",)
)


def _fix(reader: Reader, node: Node, _: str) -> FixRecipe | None:
    """One action with its roles and values, and how safe it is."""
    values = _FIX.values(reader, reader.mapping(node, _FIX.keys, _FIX.what, _FIX.required))
    safety = values.pop("safety", None)
    if len(values) != 1 or safety is None:
        reader.wrong(node, "a fix names one action and its safety")
        return None
    ((name, given),) = values.items()
    if given is None:
        return None
    roles = {role: given[role] for role in ACTIONS[name].roles}
    arguments = {argument: given[argument] for argument in ACTIONS[name].arguments}
    return FixRecipe(name, safety, roles, arguments)


FIX = Field(_fix, {**_FIX.schema, "minProperties": 2, "maxProperties": 2})


def definitions() -> Schema:
    """What the fields of this module refer to in the schema."""
    return {
        "tags": TAGS.schema,
        "step": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "patternProperties": {f"^{CAPTURE}$": TAG_LISTS.schema},
            "additionalProperties": False,
        },
        "fact": {"type": "string", "pattern": rf"^(?:\$(?:{_references()}))$"},
        "value": {"anyOf": [{"type": ["string", "number", "boolean", "null"]},
                            array(defined("value"))]},
        "condition": {"anyOf": list(_forms_of_conditions())},
        "conditions": {"anyOf": [defined("condition"), array(defined("condition"), minItems=1)]},
    }  # fmt: skip


def _references() -> str:
    """What may follow the ``$`` of a reference, as a regular expression."""
    layers = "|".join(sorted(OP_WORDS | MODULE_WORDS))
    of_model, of_settings = "|".join(sorted(MODEL_WORDS)), "|".join(sorted(SETTINGS))
    return (
        rf"model\.(?:{of_model})|settings\.(?:{of_settings})"
        rf"|(?!model\.|settings\.){CAPTURE}\.(?:{layers}|{INITIAL_PREFIX}[a-z-]+)"
    )


def _forms_of_conditions() -> Iterator[Schema]:
    """A bare fact, a denied one, a fact and each operator, alternatives."""
    fact = defined("fact")
    yield _row(fact)
    yield _row({"const": "not"}, fact)
    kinds: dict[tuple[int, str], list[str]] = {}
    for operator in sorted(OPERATORS.values(), key=lambda operator: operator.sides):
        kinds.setdefault((operator.sides, operator.takes), []).append(operator.word)
    literals = {"number": NUMBER.schema, "list": array(defined("value"))}
    for (sides, takes), words in kinds.items():
        literal = literals.get(takes)
        right = {"anyOf": [literal, fact]} if literal else defined("value")
        yield _row(fact, word(words).schema, *[right][: sides - 1])
    yield ANY.schema


def _row(*items: Schema) -> Schema:
    length = {"minItems": len(items), "maxItems": len(items)}
    return {"type": "array", "prefixItems": list(items), **length}
