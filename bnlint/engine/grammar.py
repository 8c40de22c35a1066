"""The shape of a rule file: the keys of each mapping, and what their values may be.

The parser reads which keys are allowed and required from these tables, and the words from those of
the vocabulary; the JSON Schema for editors is written from the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from bnlint.domain.finding import Severity
from bnlint.domain.rule import MEASURES
from bnlint.engine.conditions import OPERATORS
from bnlint.engine.vocabulary import ACTIONS, MODEL_WORDS, MODULE_WORDS, OP_WORDS, SETTINGS
from bnlint.graph.facts import INITIAL_PREFIX
from bnlint.layers.table import tags

Schema: TypeAlias = Mapping[str, Any]

ID = r"[A-Z]{2,6}[0-9]{3,4}"
NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
CAPTURE = r"[a-z][a-z0-9_]*"
SUMMARY_LENGTH = 80
SEVERITIES = tuple(severity.value for severity in Severity)

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}


def _word(words: Iterable[str]) -> Schema:
    return {"enum": sorted(words)}


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _one_or_more(item: Schema) -> Schema:
    return {"anyOf": [item, _list(item)]}


def _defined(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping of the rule language: what it is called, its keys, and which of them it needs."""

    what: str
    keys: Mapping[str, Schema]
    required: tuple[str, ...] = ()

    def schema(self) -> Schema:
        """The JSON Schema of such a mapping."""
        return {
            "type": "object",
            "properties": dict(self.keys),
            "required": list(self.required),
            "additionalProperties": False,
        }


CAPTURE_NAME = _pattern(CAPTURE)
SEVERITY = _word(SEVERITIES)
CONDITIONS = _defined("conditions")

TAG_LISTS = Table("tags", {"is": _defined("tags"), "not": _defined("tags")})
ANY = Table("an alternative", {"any": _list(_defined("condition"))}, ("any",))
EXCEPTION = Table(
    "an exception",
    {"because": TEXT, "if": CONDITIONS, "unknown": _word(("excuses", "fires"))},
    ("because", "if"),
)
DOWNGRADE = Table(
    "a downgrade", {"to": SEVERITY, "because": TEXT, "if": CONDITIONS}, ("to", "because", "if")
)
REPORT = Table(
    "report",
    {"at": CAPTURE_NAME, "related": _one_or_more(CAPTURE_NAME), "message": TEXT},
    ("at", "message"),
)
CONVENTION = Table(
    "convention",
    {"of": CAPTURE_NAME, "share": NUMBER, "at-least": NUMBER, "message": TEXT,
     "severity": SEVERITY},
    ("of", "share", "at-least", "message"),
)  # fmt: skip
EVIDENCE = Table("evidence", {"measure": _word(MEASURES), "of": CAPTURE_NAME}, ("measure",))
ARGUMENTS = {
    name: Table(name, {**dict.fromkeys(action.roles, CAPTURE_NAME),
                       **dict.fromkeys(action.arguments, _defined("value"))},
                (*action.roles, *action.arguments))
    for name, action in ACTIONS.items()
}  # fmt: skip
FIX = Table(
    "fix",
    {**{name: table.schema() for name, table in ARGUMENTS.items()},
     "safety": _word(("safe", "unsafe"))},
    ("safety",),
)  # fmt: skip
DOCS = Table(
    "docs",
    {"why": TEXT, "evidence": TEXT, "instead": TEXT, "references": _one_or_more(TEXT)},
    ("why",),
)
TITLED = Table(
    "an example",
    {"code": TEXT, "settings": {"type": "object", "propertyNames": _word(SETTINGS)}},
    ("code",),
)
EXAMPLE = Table("an example", {"title": TEXT, **TITLED.keys}, ("code",))
EXAMPLES = Table(
    "examples",
    {"prelude": TEXT, "bad": _defined("examples"), "good": _defined("examples")},
    ("bad", "good"),
)
FORM = Table(
    "a form",
    {
        "form": _pattern(NAME),
        "severity": SEVERITY,
        "summary": {"type": "string", "maxLength": SUMMARY_LENGTH},
        "over": _word(("ops", "modules")),
        "match": {"type": "array", "items": _defined("step"), "minItems": 1},
        "where": CONDITIONS,
        "unless": _list(EXCEPTION.schema()),
        "downgrade": _list(DOWNGRADE.schema()),
        "report": REPORT.schema(),
        "convention": CONVENTION.schema(),
        "evidence": {"anyOf": [_word(MEASURES), EVIDENCE.schema()]},
        "fix": {**FIX.schema(), "minProperties": 2, "maxProperties": 2},
        "docs": DOCS.schema(),
        "examples": EXAMPLES.schema(),
    },
    ("form", "summary", "match", "report", "docs", "examples"),
)
RULE = Table(
    "a rule",
    {
        "id": _pattern(ID),
        "name": _pattern(NAME),
        "enabled": BOOLEAN,
        **FORM.keys,
        "forms": _list(FORM.schema()),
    },
    ("id", "name", "severity", *FORM.required[1:]),
)


def schema() -> Schema:
    """The JSON Schema (draft 2020-12) of a rule file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A rule of bnlint",
        **RULE.schema(),
        "$defs": {
            "tags": _one_or_more(_word(tags())),
            "step": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "patternProperties": {f"^{CAPTURE}$": TAG_LISTS.schema()},
                "additionalProperties": False,
            },
            "fact": _pattern(rf"\$(?:{_references()})"),
            "value": {"anyOf": [{"type": ["string", "number", "boolean", "null"]},
                                _list(_defined("value"))]},
            "condition": {"anyOf": list(_conditions())},
            "conditions": {"anyOf": [_defined("condition"),
                                     {**_list(_defined("condition")), "minItems": 1}]},
            "examples": {"anyOf": [
                TEXT,
                _list({"anyOf": [TEXT, EXAMPLE.schema()]}),
                {"type": "object", "additionalProperties": {"anyOf": [TEXT, TITLED.schema()]}},
            ]},
        },
    }  # fmt: skip


def _references() -> str:
    """What may follow the ``$`` of a reference, as a regular expression."""
    layers = "|".join(sorted(OP_WORDS | MODULE_WORDS))
    of_model, of_settings = "|".join(sorted(MODEL_WORDS)), "|".join(sorted(SETTINGS))
    return (
        rf"model\.(?:{of_model})|settings\.(?:{of_settings})"
        rf"|(?!model\.|settings\.){CAPTURE}\.(?:{layers}|{INITIAL_PREFIX}[a-z-]+)"
    )


def _conditions() -> Iterable[Schema]:
    """The forms of a condition: a bare fact, a denied one, each operator, alternatives."""
    fact = _defined("fact")
    yield _row(fact)
    yield _row({"const": "not"}, fact)
    yield _row(fact, _word(o.word for o in OPERATORS.values() if o.sides == 1))
    for takes in dict.fromkeys(o.takes for o in OPERATORS.values() if o.sides == 2):
        words = (o.word for o in OPERATORS.values() if o.sides == 2 and o.takes == takes)
        yield _row(fact, _word(words), _right_side(takes))
    yield ANY.schema()


def _row(*items: Schema) -> Schema:
    return {
        "type": "array",
        "prefixItems": list(items),
        "minItems": len(items),
        "maxItems": len(items),
    }


def _right_side(takes: str) -> Schema:
    kinds = {"number": NUMBER, "list": _list(_defined("value"))}
    return {"anyOf": [kinds[takes], _defined("fact")]} if takes in kinds else _defined("value")
