"""Everything a rule may ask: facts of an operation, of a registered module, of the model.

A fact that tracing wrote on the operation wins over a derived one of the same name. To add a fact,
write a small decorated function in a module of this package (see :mod:`bnlint.graph.facts.fact`).
"""

from __future__ import annotations

from collections import defaultdict

from bnlint.domain.graph import ModuleInfo, Op
from bnlint.graph.facts import (  # noqa: F401  # each registers its facts
    arriving,
    carried,
    neighbours,
    norm_facts,
    reach,
    sisters,
    structure,
    submodules,
)
from bnlint.graph.facts.fact import (
    MODEL_FACTS,
    MODULE_FACTS,
    OP_FACTS,
    UNKNOWN,
    Answer,
    Fact,
    Unknown,
)
from bnlint.graph.facts.own import INITIAL_PREFIX, OWN_FACTS
from bnlint.graph.view import View

__all__ = [
    "INITIAL_PREFIX", "MODEL_FACTS", "MODULE_FACTS", "OP_FACTS", "OWN_FACTS", "UNKNOWN",
    "Answer", "Fact", "Facts", "Unknown",
]  # fmt: skip


class Facts:
    """Answers about one view, each computed once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._ops: dict[str, dict[str, Answer]] = defaultdict(dict)
        self._modules: dict[str, dict[str, Answer]] = defaultdict(dict)
        self._model: dict[str, Answer] = {}

    def op(self, op: Op, name: str) -> Answer:
        """The operation's own fact of that name, else the derived one, else UNKNOWN."""
        if name in op.facts:
            return op.facts[name]
        known = self._ops[op.id]
        if name not in known:
            fact = OP_FACTS.get(name)
            known[name] = fact.answer(self.view, op) if fact else UNKNOWN
        return known[name]

    def module(self, info: ModuleInfo, name: str) -> Answer:
        """The module's derived fact of that name, else its own, else UNKNOWN."""
        fact = MODULE_FACTS.get(name)
        if fact is None:
            return info.facts.get(name, UNKNOWN)
        known = self._modules[name]
        if info.path not in known:
            known[info.path] = fact.answer(self.view, info)
        return known[info.path]

    def model(self, name: str) -> Answer:
        """A fact of the whole model, or UNKNOWN."""
        known = self._model
        if name not in known:
            fact = MODEL_FACTS.get(name)
            known[name] = fact.answer(self.view) if fact else UNKNOWN
        return known[name]
