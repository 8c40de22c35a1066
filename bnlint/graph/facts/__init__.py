"""Everything a rule may ask: facts of an operation, of a registered module, of the model.

A fact that tracing wrote on the op itself wins over a derived one of the same name. To add a fact,
write a small function in a module of this package and give it a line in ``tables``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from bnlint.domain.graph import ModuleInfo, Op
from bnlint.graph.facts.answer import UNKNOWN, Answer, Fact, Unknown
from bnlint.graph.facts.own import INITIAL_PREFIX, OWN_FACTS
from bnlint.graph.facts.tables import MODEL_FACTS, MODULE_FACTS, OP_FACTS
from bnlint.graph.view import View

__all__ = [
    "INITIAL_PREFIX", "MODEL_FACTS", "MODULE_FACTS", "OP_FACTS", "OWN_FACTS", "UNKNOWN",
    "Answer", "Fact", "Facts", "Unknown",
]  # fmt: skip

Subject = TypeVar("Subject")


class Facts:
    """Answers about one view, each worked out once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._known: dict[tuple[str, str, str], Answer] = {}

    def op(self, op: Op, name: str) -> Answer:
        """The op's own fact of that name, else the derived one, else UNKNOWN."""
        if name in op.facts:
            return op.facts[name]
        return self._answer(OP_FACTS, ("op", op.id, name), (self.view, op))

    def module(self, info: ModuleInfo, name: str) -> Answer:
        """The module's derived fact of that name, else its own, else UNKNOWN."""
        if name not in MODULE_FACTS:
            return info.facts.get(name, UNKNOWN)
        return self._answer(MODULE_FACTS, ("module", info.path, name), (self.view, info))

    def model(self, name: str) -> Answer:
        """A fact of the whole model, or UNKNOWN."""
        return self._answer(MODEL_FACTS, ("model", "", name), self.view)

    def _answer(
        self, table: Mapping[str, Fact[Subject]], key: tuple[str, str, str], subject: Subject
    ) -> Answer:
        if key not in self._known:
            fact = table.get(key[2])
            self._known[key] = fact.answer(subject) if fact else UNKNOWN
        return self._known[key]
