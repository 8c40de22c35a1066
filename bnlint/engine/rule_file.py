"""A rule file: what it may hold, how it becomes a :class:`Rule`, and its JSON Schema.

Each table below is a mapping of the language. All mistakes of a file are found and raised at once.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from bnlint.domain.errors import RuleError
from bnlint.domain.finding import Severity
from bnlint.domain.graph import Value
from bnlint.domain.rule import (
    MEASURES,
    Convention,
    Docs,
    Downgrade,
    EvidenceFrom,
    Example,
    Exception_,
    ReportAt,
    Rule,
)
from bnlint.engine.expressions import (
    CAPTURE_NAME,
    CONDITIONS,
    CONVENTION_MESSAGE,
    FIX,
    MESSAGE,
    PATTERN,
    definitions,
)
from bnlint.engine.fields import (
    BOOLEAN,
    COUNT,
    NUMBER,
    TEXT,
    Entries,
    Field,
    Schema,
    array,
    choice,
    many,
    matching,
    word,
)
from bnlint.engine.reader import SETTINGS, Reader

ID = matching("[A-Z]{2,6}[0-9]{3,4}", "letters and a number: BN101")
NAME = matching("[a-z][a-z0-9]*(-[a-z0-9]+)*", "small words joined by dashes")
SUMMARY_LENGTH = 80
SEVERITY = choice({severity.value: severity for severity in Severity})
MEASURE = word(MEASURES).called("a measurement")


def _id(reader: Reader, node: Node, what: str) -> str:
    text = ID.read(reader, node, what)
    stem = PurePath(reader.path).stem
    if text and not stem.startswith(text) and not reader.path.startswith("<"):
        said = f"the name of the file must start with the id: {text}"
        reader.wrong(node, said, f"rename it to {text}-{stem}.yaml")
    return text


def _summary(reader: Reader, node: Node, what: str) -> str:
    text = reader.string(node, what)
    if len(text) > SUMMARY_LENGTH:
        long = f"the summary has {len(text)} characters; {SUMMARY_LENGTH} fit"
        reader.wrong(node, long)
    return text


EXCEPTION = Entries(
    "an exception",
    Exception_,
    {"because": TEXT, "if": CONDITIONS, "unknown": choice({"excuses": True, "fires": False})},
    ("because", "if"),
    {"if": "conditions", "unknown": "unknown_excuses"},
    located=True,
)
DOWNGRADE = Entries(
    "a downgrade",
    Downgrade,
    {"to": SEVERITY.called("severity"), "because": TEXT, "if": CONDITIONS},
    ("to", "because", "if"),
    {"to": "severity", "if": "conditions"},
)
REPORT = Entries(
    "report",
    ReportAt,
    {
        "at": CAPTURE_NAME.called("report.at"),
        "related": many(CAPTURE_NAME, or_one=True),
        "message": MESSAGE,
        "place": word(("layer", "call")),
    },
    ("at", "message"),
)
CONVENTION = Entries(
    "convention",
    Convention,
    {
        "of": CAPTURE_NAME.called("convention.of"),
        "share": NUMBER,
        "at-least": COUNT,
        "message": CONVENTION_MESSAGE,
        "severity": SEVERITY,
    },
    ("of", "share", "at-least", "message"),
    {"at-least": "at_least"},
)
EVIDENCE = Entries(
    "evidence",
    EvidenceFrom,
    {"measure": MEASURE, "of": CAPTURE_NAME.called("evidence.of")},
    ("measure",),
)
DOCS = Entries(
    "docs",
    Docs,
    {
        **{key: TEXT.called(f"docs.{key}") for key in ("why", "evidence", "instead")},
        "references": many(TEXT, or_one=True),
    },
    ("why",),
)


def _evidence(reader: Reader, node: Node, what: str) -> EvidenceFrom | None:
    """The measurement by its name alone, or with a capture."""
    if isinstance(node, ScalarNode):
        return EvidenceFrom(MEASURE.read(reader, node, what))
    return EVIDENCE.read(reader, node)


def _settings(reader: Reader, node: Node, what: str) -> dict[str, Value]:
    entries = reader.mapping(node, SETTINGS, what)
    return {key: reader.value(value, key) for key, value in entries.items()}


SETTINGS_OF_RUN = Field(_settings, {"type": "object", "propertyNames": word(SETTINGS).schema})
TITLED = Entries(
    "an example", Example, {"code": TEXT, "settings": SETTINGS_OF_RUN}, ("code",), located=True
)
EXAMPLE = replace(TITLED, keys={"title": TEXT, **TITLED.keys})


def _group(reader: Reader, node: Node, what: str) -> tuple[Example, ...]:
    """Examples as a list, as a mapping from titles, or as one piece of code."""
    if isinstance(node, MappingNode):
        titled = reader.mapping(node, None, what).items()
        return tuple(
            replace(example, title=title)
            for title, body in titled
            if (example := _example(reader, body, TITLED))
        )
    one = isinstance(node, ScalarNode) and "\n" in node.value
    items = [node] if one else reader.sequence(node, what)
    return tuple(filter(None, (_example(reader, item, EXAMPLE) for item in items)))


def _example(reader: Reader, node: Node, table: Entries[Example]) -> Example | None:
    if isinstance(node, ScalarNode):
        return Example(reader.string(node, "an example"), location=reader.location(node))
    return table.read(reader, node)


def _prelude(reader: Reader, node: Node, what: str) -> str:
    text = reader.string(node, what)
    try:
        ast.parse(text)
    except SyntaxError as error:
        reader.wrong(node, f"the prelude is not Python: {error.msg}")
    return text


def _examples(prelude: str = "", **groups: tuple[Example, ...]) -> dict[str, tuple[Example, ...]]:
    if not prelude:
        return groups
    return {k: tuple(replace(e, prelude=prelude) for e in group) for k, group in groups.items()}


_OBJECT = {"type": "object", "additionalProperties": {"anyOf": [TEXT.schema, TITLED.schema]}}
GROUP = Field(
    _group, {"anyOf": [TEXT.schema, array({"anyOf": [TEXT.schema, EXAMPLE.schema]}), _OBJECT]}
)
EXAMPLES = Entries(
    "examples",
    _examples,
    {
        "prelude": Field(_prelude, TEXT.schema),
        "bad": GROUP.defined("examples"),
        "good": GROUP.defined("examples"),
    },
    ("bad", "good"),
)


def _rule(reader: Reader, node: Node, table: Entries[Any]) -> dict[str, Any] | None:
    """The fields of a rule, or of a form of it; None where too much is missing."""
    parts = table.complete(reader, node)
    if parts is None:
        return None
    first: dict[str, Node] = {key: parts.pop(key) for key in ("over", "match") if key in parts}
    start = {"over": "ops", "where": (), "unless": (), **table.values(reader, first)}
    if start["over"] == "modules" and len(start["match"]) > 1:
        reader.wrong(first["match"], "a rule over modules captures one module")
    names = tuple(capture.name for capture in start["match"])
    values = table.values(reader.knowing(names, start["over"]), parts)
    examples = values.pop("examples") or {}
    return {**start, **values, **examples, "location": reader.location(node)}


FORM: Entries[Any] = Entries(
    "a form",
    dict,
    {
        "form": NAME,
        "severity": SEVERITY,
        "summary": Field(_summary, {**TEXT.schema, "maxLength": SUMMARY_LENGTH}),
        "over": word(("ops", "modules")),
        "match": PATTERN,
        "where": CONDITIONS,
        "unless": many(EXCEPTION),
        "gives-way": many(ID),
        "downgrade": many(DOWNGRADE),
        "report": REPORT,
        "convention": CONVENTION,
        "evidence": Field(_evidence, {"anyOf": [MEASURE.schema, EVIDENCE.schema]}),
        "fix": FIX,
        "docs": DOCS,
        "examples": EXAMPLES,
    },
    ("form", "summary", "match", "report", "examples"),
    {"gives-way": "gives_way"},
)
RULE: Entries[Any] = Entries(
    "a rule",
    dict,
    {
        "id": Field(_id, ID.schema),
        "name": NAME,
        "enabled": BOOLEAN,
        **FORM.keys,
        "forms": many(Field(lambda reader, node, _: _rule(reader, node, FORM), FORM.schema)),
    },
    ("id", "name", "severity", "docs", *FORM.required[1:]),
    FORM.names,
)


def parse_rule(text: str, path: str) -> Rule:
    """The rule that ``text`` states; raises :class:`RuleError` with every mistake in it."""
    reader = Reader(path, text)
    root = reader.root()
    values = _rule(reader, root, RULE) if root is not None else None
    if reader.mistakes or values is None:
        ordered = sorted(reader.mistakes, key=lambda m: m.location.line if m.location else 0)
        raise RuleError(*ordered)
    forms = values.pop("forms", ())
    rule = Rule(**values)
    names = ("id", "name", "enabled", "severity", "docs")
    shared = {name: getattr(rule, name) for name in names}
    return replace(rule, forms=tuple(Rule(**{**shared, **form}) for form in forms))


def schema() -> Schema:
    """The JSON Schema (draft 2020-12) of a rule file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A rule of bnlint",
        **RULE.schema,
        "$defs": {**definitions(), "examples": GROUP.schema},
    }
