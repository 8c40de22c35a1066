"""What a fact is: a question about an operation, a registered module or the model, and its answer.

A function becomes a fact by its decorator, and its docstring is the help text::

    @op_fact("last-kernel")
    def last_kernel(view: View, op: Op) -> Answer:
        \"\"\"Whether no kernel lies ahead.\"\"\"
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, ParamSpec, TypeAlias, TypeVar

from bnlint.domain.graph import ModuleInfo, Op, Value
from bnlint.graph.view import View

P = ParamSpec("P")


class Unknown(enum.Enum):
    """The type of UNKNOWN: the graph does not tell."""

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
