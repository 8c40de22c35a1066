"""The ``match`` of a rule: captures, and the gaps between them."""

from __future__ import annotations

import re
from collections.abc import Collection

from yaml.nodes import MappingNode, Node, SequenceNode

from bnlint.domain.rule import Capture, Tags
from bnlint.engine.nodes import Reader
from bnlint.engine.vocabulary import SUBJECTS

_CAPTURE = re.compile(r"[a-z][a-z0-9_]*\Z")


class Pattern:
    """Reads the pattern; notes mistakes on the reader."""

    def __init__(self, reader: Reader, tags: Collection[str]) -> None:
        self.reader = reader
        self.tags = tags

    def captures(self, node: Node, over: str) -> tuple[Capture, ...]:
        """The captures, each with the gap before it."""
        found: list[Capture] = []
        gap: Tags | None = None
        items = self.reader.sequence(node, "match")
        for item in items:
            name, body = self._step(item)
            if name == "through":
                if not found or gap is not None or item is items[-1]:
                    self.reader.wrong(item, "a 'through' must stand between two captures")
                gap = self._tags(body, "through") if body else None
            elif name and body is not None:
                self._check_capture(item, name, found)
                found.append(Capture(name, self._tags(body, name), gap))
                gap = None
        if not found:
            self.reader.wrong(node, "match must capture something")
        elif over == "modules" and len(found) > 1:
            self.reader.wrong(node, "a rule over modules captures one module")
        return tuple(found)

    def _step(self, item: Node) -> tuple[str, Node | None]:
        entries = self.reader.mapping(item, None, "a step of match")
        if len(entries) != 1:
            self.reader.wrong(item, "a step of match has one name", "- bn: {is: batchnorm}")
            return "", None
        return next(iter(entries.items()))

    def _check_capture(self, item: Node, name: str, found: list[Capture]) -> None:
        if not _CAPTURE.match(name) or name in SUBJECTS or name == "convention":
            self.reader.wrong(item, f"a capture cannot be named {name!r}")
        if name in (c.name for c in found):
            self.reader.wrong(item, f"two captures are named {name!r}")

    def _tags(self, node: Node, what: str) -> Tags:
        entries = self.reader.mapping(node, ("is", "not"), what)
        if isinstance(node, MappingNode) and not node.value:
            return Tags()
        return Tags(self._tag_list(entries.get("is")), self._tag_list(entries.get("not")))

    def _tag_list(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        items = node.value if isinstance(node, SequenceNode) else [node]
        return tuple(self.reader.word(item, self.tags, "a tag") for item in items)
