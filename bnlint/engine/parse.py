"""YAML text to a :class:`Rule`; every mistake of a file is found and raised at once."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath

from yaml.nodes import Node, ScalarNode, SequenceNode

from bnlint.domain.errors import RuleError
from bnlint.domain.finding import Severity
from bnlint.domain.rule import (
    Convention,
    Docs,
    Downgrade,
    Example,
    Exception_,
    ReportAt,
    Rule,
)
from bnlint.engine.expressions import Expressions
from bnlint.engine.nodes import Reader
from bnlint.engine.pattern import Pattern
from bnlint.engine.placeholders import placeholders
from bnlint.engine.vocabulary import CONVENTION_WORDS, SETTINGS, SUBJECTS
from bnlint.layers.tags import TAGS

KEYS = (
    "id", "name", "severity", "summary", "over", "enabled", "match", "where", "unless",
    "downgrade", "report", "convention", "fix", "docs", "examples", "form",
)  # fmt: skip
REQUIRED = ("id", "name", "severity", "summary", "match", "report", "docs", "examples")
SEVERITIES = tuple(s.value for s in Severity)
_ID = re.compile(r"[A-Z]{2,6}[0-9]{3,4}\Z")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


def parse_rule(
    text: str,
    path: str,
    *,
    tags: Collection[str] = TAGS,
    settings: Collection[str] = SETTINGS,
) -> Rule:
    """The rule that ``text`` states; raises :class:`RuleError` with every mistake in it."""
    reader = Reader(path, text)
    root = reader.root()
    rule = _RuleParser(reader, tags, settings).rule(root) if root is not None else None
    if reader.mistakes or rule is None:
        ordered = sorted(reader.mistakes, key=lambda m: m.location.line if m.location else 0)
        raise RuleError(*ordered)
    return rule


class _RuleParser:
    """One file's rule; ``captures`` fills up while ``match`` is read and is asked after that."""

    def __init__(self, reader: Reader, tags: Collection[str], settings: Collection[str]) -> None:
        self.reader = reader
        self.tags = tags
        self.settings = settings

    def rule(self, root: Node) -> Rule | None:
        """The rule; None where too much is missing to build one (mistakes are noted)."""
        parts = self.reader.mapping(root, KEYS, "a rule", REQUIRED)
        if any(key not in parts for key in REQUIRED):
            return None
        over = (
            self.reader.word(parts["over"], ("ops", "modules"), "over")
            if ("over" in parts)
            else "ops"
        )
        match = Pattern(self.reader, self.tags).captures(parts["match"], over)
        names = tuple(c.name for c in match)
        says = Expressions(self.reader, names, over, self.settings)
        bad, good = self._examples(parts["examples"])
        return Rule(
            id=self._id(parts["id"]),
            name=self._pattern(parts["name"], _NAME, "name", "small words joined by dashes"),
            severity=self._severity(parts["severity"]),
            summary=self._summary(parts["summary"]),
            match=match,
            where=says.conditions(parts["where"], "where") if "where" in parts else (),
            unless=self._unless(parts.get("unless"), says),
            report=self._report(parts["report"], says),
            docs=self._docs(parts["docs"]),
            bad=bad,
            good=good,
            over=over,
            enabled="enabled" not in parts or self.reader.boolean(parts["enabled"], "enabled"),
            downgrade=self._downgrade(parts.get("downgrade"), says),
            fix=says.fix(parts["fix"]) if "fix" in parts else None,
            convention=self._convention(parts.get("convention"), says),
            location=self.reader.location(root),
            form=self._pattern(parts["form"], _NAME, "form", "small words joined by dashes")
            if "form" in parts
            else "",
        )

    def _id(self, node: Node) -> str:
        text = self._pattern(node, _ID, "id", "letters and a number: BN101")
        stem = PurePath(self.reader.path).stem
        if text and not stem.startswith(text) and not self.reader.path.startswith("<"):
            self.reader.wrong(node, f"the file's name must start with {text}", f"it is {stem!r}")
        return text

    def _pattern(self, node: Node, pattern: re.Pattern[str], what: str, hint: str) -> str:
        text = self.reader.string(node, what)
        if text and not pattern.match(text):
            self.reader.wrong(node, f"{what} cannot be {text!r}", hint)
        return text

    def _severity(self, node: Node) -> Severity:
        text = self.reader.word(node, SEVERITIES, "severity")
        return Severity(text) if text in SEVERITIES else Severity.WARNING

    def _summary(self, node: Node) -> str:
        text = self.reader.string(node, "summary")
        if len(text) > 80:
            self.reader.wrong(node, f"the summary has {len(text)} characters; 80 fit")
        return text

    def _unless(self, node: Node | None, says: Expressions) -> tuple[Exception_, ...]:
        found = []
        for item in self.reader.sequence(node, "unless") if node else ():
            parts = self.reader.mapping(
                item, ("because", "if", "unknown"), "an exception", ("because", "if")
            )
            if "because" not in parts or "if" not in parts:
                continue
            unknown = "excuses"
            if "unknown" in parts:
                unknown = self.reader.word(parts["unknown"], ("excuses", "fires"), "unknown")
            found.append(
                Exception_(
                    self.reader.string(parts["because"], "because"),
                    says.conditions(parts["if"], "if"),
                    unknown != "fires",
                    self.reader.location(item),
                )
            )
        return tuple(found)

    def _downgrade(self, node: Node | None, says: Expressions) -> tuple[Downgrade, ...]:
        found = []
        keys = ("to", "because", "if")
        for item in self.reader.sequence(node, "downgrade") if node else ():
            parts = self.reader.mapping(item, keys, "a downgrade", keys)
            if all(key in parts for key in keys):
                found.append(
                    Downgrade(
                        self._severity(parts["to"]),
                        self.reader.string(parts["because"], "because"),
                        says.conditions(parts["if"], "if"),
                    )
                )
        return tuple(found)

    def _report(self, node: Node, says: Expressions) -> ReportAt:
        parts = self.reader.mapping(node, ("at", "related", "message"), "report", ("at", "message"))
        if "at" not in parts or "message" not in parts:
            return ReportAt("", "")
        related = parts.get("related")
        items = related.value if isinstance(related, SequenceNode) else [related] if related else []
        return ReportAt(
            at=self.reader.word(parts["at"], says.captures, "report.at"),
            message=self._message(parts["message"], says),
            related=tuple(self.reader.word(i, says.captures, "related") for i in items),
        )

    def _message(self, node: Node, says: Expressions, *, convention: bool = False) -> str:
        text = self.reader.string(node, "message")
        for subject, fact in placeholders(text):
            if convention and subject == "convention" and fact in CONVENTION_WORDS:
                continue
            problem = says.problem(subject, fact)
            if problem or (convention and subject not in SUBJECTS):
                hint = "a convention's message knows the model and {convention.count|total|share}"
                self.reader.wrong(
                    node,
                    f"the message's {{{subject}.{fact}}}: {problem or 'no capture here'}",
                    hint if convention else says.suggestion(subject, fact),
                )
        return text

    def _convention(self, node: Node | None, says: Expressions) -> Convention | None:
        if node is None:
            return None
        keys = ("of", "share", "at-least", "message", "severity")
        parts = self.reader.mapping(node, keys, "convention", keys[:4])
        if any(key not in parts for key in keys[:4]):
            return None
        return Convention(
            of=self.reader.word(parts["of"], says.captures, "convention.of"),
            share=self.reader.number(parts["share"], "share"),
            at_least=int(self.reader.number(parts["at-least"], "at-least")),
            message=self._message(parts["message"], says, convention=True),
            severity=self._severity(parts["severity"]) if "severity" in parts else None,
        )

    def _docs(self, node: Node) -> Docs:
        keys = ("why", "evidence", "instead", "references")
        parts = self.reader.mapping(node, keys, "docs", ("why",))
        text = {k: self.reader.string(parts[k], f"docs.{k}") for k in keys[:3] if k in parts}
        references = parts.get("references")
        return Docs(
            why=text.get("why", ""),
            evidence=text.get("evidence", ""),
            instead=text.get("instead", ""),
            references=self.reader.strings(references, "references") if references else (),
        )

    def _examples(self, node: Node) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        parts = self.reader.mapping(node, ("bad", "good"), "examples", ("bad", "good"))
        return tuple(  # type: ignore[return-value]
            tuple(self._example(i) for i in self.reader.sequence(parts[k], k)) if k in parts else ()
            for k in ("bad", "good")
        )

    def _example(self, node: Node) -> Example:
        where = self.reader.location(node)
        if isinstance(node, ScalarNode):
            return Example(self.reader.string(node, "an example"), location=where)
        parts = self.reader.mapping(node, ("title", "code", "settings"), "an example", ("code",))
        settings = parts.get("settings")
        entries = self.reader.mapping(settings, self.settings, "settings") if settings else {}
        return Example(
            code=self.reader.string(parts["code"], "code") if "code" in parts else "",
            title=self.reader.string(parts["title"], "title") if "title" in parts else "",
            settings={k: self.reader.value(v, k) for k, v in entries.items()},
            location=where,
        )
