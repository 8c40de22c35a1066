"""Everything a rule may ask: facts of an operation, of a registered module, of the model.

A fact that tracing wrote on the op itself wins over a derived one of the same name. To add a fact,
write a small function in a module of this package and give it a line in ``tables``.
"""

from __future__ import annotations

from collections import defaultdict
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
        self._ops: dict[str, dict[str, Answer]] = defaultdict(dict)
        self._modules: dict[str, dict[str, Answer]] = defaultdict(dict)
        self._model: dict[str, Answer] = {}

    def op(self, op: Op, name: str) -> Answer:
        """The op's own fact of that name, else the derived one, else UNKNOWN."""
        if name in op.facts:
            return op.facts[name]
        known = self._ops[op.id]
        if name not in known:
            known[name] = _answer(OP_FACTS, name, (self.view, op))
        return known[name]

    def module(self, info: ModuleInfo, name: str) -> Answer:
        """The module's derived fact of that name, else its own, else UNKNOWN."""
        if name not in MODULE_FACTS:
            return info.facts.get(name, UNKNOWN)
        known = self._modules[name]
        if info.path not in known:
            known[info.path] = _answer(MODULE_FACTS, name, (self.view, info))
        return known[info.path]

    def model(self, name: str) -> Answer:
        """A fact of the whole model, or UNKNOWN."""
        known = self._model
        if name not in known:
            known[name] = _answer(MODEL_FACTS, name, self.view)
        return known[name]


def _answer(table: Mapping[str, Fact[Subject]], name: str, subject: Subject) -> Answer:
    fact = table.get(name)
    return fact.answer(subject) if fact else UNKNOWN
