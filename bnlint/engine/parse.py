"""YAML text to a :class:`Rule`; every mistake of a file is found and raised at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from yaml.nodes import Node, SequenceNode

from bnlint.domain.errors import RuleError
from bnlint.domain.finding import Severity
from bnlint.domain.rule import Convention, Docs, Downgrade, Exception_, ReportAt, Rule
from bnlint.engine.examples import Examples
from bnlint.engine.expressions import Expressions, Pattern
from bnlint.engine.grammar import (
    CONVENTION,
    DOCS,
    DOWNGRADE,
    EXCEPTION,
    FORM,
    ID,
    NAME,
    REPORT,
    RULE,
    SEVERITIES,
    SUMMARY_LENGTH,
)
from bnlint.engine.vocabulary import CONVENTION_WORDS, SETTINGS, SUBJECTS
from bnlint.engine.wording import placeholders
from bnlint.engine.yaml_nodes import Reader
from bnlint.layers.table import tags as all_tags


def parse_rule(
    text: str,
    path: str,
    *,
    tags: Collection[str] | None = None,
    settings: Collection[str] = SETTINGS,
) -> Rule:
    """The rule that ``text`` states; raises :class:`RuleError` with every mistake in it."""
    reader = Reader(path, text)
    root = reader.root()
    known = all_tags() if tags is None else tags
    rule = _RuleParser(reader, known, settings).rule(root) if root is not None else None
    if reader.mistakes or rule is None:
        ordered = sorted(reader.mistakes, key=lambda m: m.location.line if m.location else 0)
        raise RuleError(*ordered)
    return rule


class _RuleParser:
    """Reads one file."""

    def __init__(self, reader: Reader, tags: Collection[str], settings: Collection[str]) -> None:
        self.reader = reader
        self.tags = tags
        self.settings = settings

    def rule(self, root: Node) -> Rule | None:
        """The rule with its forms; None where too much is missing to build one."""
        parts = self.reader.complete(root, RULE)
        if parts is None:
            return None
        rule = Rule(
            id=self._id(parts["id"]),
            name=self._matching(parts["name"], NAME, "name", "small words joined by dashes"),
            enabled="enabled" not in parts or self.reader.boolean(parts["enabled"], "enabled"),
            **self._pattern(root, parts),
        )
        return replace(rule, forms=tuple(self._forms(parts.get("forms"), rule)))

    def _forms(self, node: Node | None, rule: Rule) -> Iterator[Rule]:
        """The other patterns of the rule that are in its file, each as a rule by itself."""
        for item in self.reader.sequence(node, "forms") if node else ():
            parts = self.reader.complete(item, FORM)
            if parts is not None:
                inherited = {"id": rule.id, "name": rule.name, "enabled": rule.enabled}
                yield Rule(**{"severity": rule.severity, **inherited, **self._pattern(item, parts)})

    def _pattern(self, node: Node, parts: Mapping[str, Node]) -> dict[str, Any]:
        """What a rule and each of its other forms has for itself."""
        over = "ops"
        if "over" in parts:
            over = self.reader.word(parts["over"], ("ops", "modules"), "over")
        match = Pattern(self.reader, self.tags).captures(parts["match"], over)
        says = Expressions(self.reader, tuple(c.name for c in match), over, self.settings)
        bad, good = Examples(self.reader, self.settings).read(parts["examples"])
        return {
            **({"severity": self._severity(parts["severity"])} if "severity" in parts else {}),
            "summary": self._summary(parts["summary"]),
            "match": match,
            "where": says.conditions(parts["where"], "where") if "where" in parts else (),
            "unless": self._unless(parts.get("unless"), says),
            "report": self._report(parts["report"], says),
            "docs": self._docs(parts["docs"]),
            "bad": bad,
            "good": good,
            "over": over,
            "downgrade": self._downgrade(parts.get("downgrade"), says),
            "fix": says.fix(parts["fix"]) if "fix" in parts else None,
            "convention": self._convention(parts.get("convention"), says),
            "evidence": says.evidence(parts["evidence"]) if "evidence" in parts else None,
            "location": self.reader.location(node),
            "form": self._matching(parts["form"], NAME, "form", "small words joined by dashes")
            if "form" in parts
            else "",
        }

    def _id(self, node: Node) -> str:
        text = self._matching(node, ID, "id", "letters and a number: BN101")
        stem = PurePath(self.reader.path).stem
        if text and not stem.startswith(text) and not self.reader.path.startswith("<"):
            self.reader.wrong(node, f"the file's name must start with {text}", f"it is {stem!r}")
        return text

    def _matching(self, node: Node, pattern: str, what: str, hint: str) -> str:
        text = self.reader.string(node, what)
        if text and not re.fullmatch(pattern, text):
            self.reader.wrong(node, f"{what} cannot be {text!r}", hint)
        return text

    def _severity(self, node: Node) -> Severity:
        text = self.reader.word(node, SEVERITIES, "severity")
        return Severity(text) if text in SEVERITIES else Severity.WARNING

    def _summary(self, node: Node) -> str:
        text = self.reader.string(node, "summary")
        if len(text) > SUMMARY_LENGTH:
            long = f"the summary has {len(text)} characters; {SUMMARY_LENGTH} fit"
            self.reader.wrong(node, long)
        return text

    def _unless(self, node: Node | None, says: Expressions) -> tuple[Exception_, ...]:
        found = []
        for item in self.reader.sequence(node, "unless") if node else ():
            parts = self.reader.complete(item, EXCEPTION)
            if parts is None:
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
        for item in self.reader.sequence(node, "downgrade") if node else ():
            parts = self.reader.complete(item, DOWNGRADE)
            if parts is not None:
                found.append(
                    Downgrade(
                        self._severity(parts["to"]),
                        self.reader.string(parts["because"], "because"),
                        says.conditions(parts["if"], "if"),
                    )
                )
        return tuple(found)

    def _report(self, node: Node, says: Expressions) -> ReportAt:
        parts = self.reader.complete(node, REPORT)
        if parts is None:
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
        parts = self.reader.complete(node, CONVENTION) if node is not None else None
        if parts is None:
            return None
        return Convention(
            of=self.reader.word(parts["of"], says.captures, "convention.of"),
            share=self.reader.number(parts["share"], "share"),
            at_least=int(self.reader.number(parts["at-least"], "at-least")),
            message=self._message(parts["message"], says, convention=True),
            severity=self._severity(parts["severity"]) if "severity" in parts else None,
        )

    def _docs(self, node: Node) -> Docs:
        parts = self.reader.table(node, DOCS)
        texts = ("why", "evidence", "instead")
        text = {key: self.reader.string(parts[key], f"docs.{key}") for key in texts if key in parts}
        references = parts.get("references")
        return Docs(
            why=text.get("why", ""),
            evidence=text.get("evidence", ""),
            instead=text.get("instead", ""),
            references=self.reader.strings(references, "references") if references else (),
        )
