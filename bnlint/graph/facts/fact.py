"""What a fact is: a question about an operation, a registered module or the model, and its answer.

A function becomes a fact by its decorator, and its docstring is the help text::

    @op_fact("last-kernel")
    def last_kernel(view: View, op: Op) -> Answer:
        \"\"\"Whether no kernel lies ahead.\"\"\"
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, ParamSpec, TypeAlias, TypeVar

from bnlint.domain.graph import ModuleInfo, Op, Value
from bnlint.graph.view import View

P = ParamSpec("P")


class Unknown(enum.Enum):
    """The type of UNKNOWN: the graph does not say."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Answer: TypeAlias = Value | Unknown
R = TypeVar("R", bound=Answer)


@dataclass(frozen=True, slots=True)
class Fact(Generic[P]):
    """A question that rules may ask; ``shapes`` is true if the answer depends on traced shapes."""

    name: str
    meaning: str
    answer: Callable[P, Answer]
    shapes: bool = False


class FactTable(dict[str, Fact[P]], Generic[P]):
    """The facts of one kind of subject, by name."""

    def fact(
        self, name: str, meaning: str = "", *, shapes: bool = False
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """A decorator that registers a function under ``name`` and returns it unchanged.

        The meaning is the first paragraph of its docstring, unless it is passed.
        """

        def register(answer: Callable[P, R]) -> Callable[P, R]:
            if name in self:
                raise ValueError(f"two facts are called {name!r}")
            self[name] = Fact(name, meaning or _first_paragraph(answer.__doc__), answer, shapes)
            return answer

        return register


def _first_paragraph(docstring: str | None) -> str:
    """The paragraph as a phrase: on one line, with a small first letter and no full stop."""
    text = " ".join((docstring or "").partition("\n\n")[0].split()).removesuffix(".")
    return text[:1].lower() + text[1:]


OP_FACTS: FactTable[[View, Op]] = FactTable()
MODULE_FACTS: FactTable[[View, ModuleInfo]] = FactTable()
MODEL_FACTS: FactTable[[View]] = FactTable()

op_fact, module_fact, model_fact = OP_FACTS.fact, MODULE_FACTS.fact, MODEL_FACTS.fact

OfAll: TypeAlias = Callable[[View], Sequence[Answer]]


def op_fact_of_all(name: str) -> Callable[[OfAll], OfAll]:
    """A decorator for a function that answers for all operations in one pass, by position."""

    def register(answers: OfAll) -> OfAll:
        meaning = _first_paragraph(answers.__doc__)
        op_fact(name, meaning)(lambda view, op: view.once(answers)[view.order(op)])
        return answers

    return register


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
