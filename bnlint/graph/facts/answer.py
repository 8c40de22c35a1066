"""What a fact answers: a value, or UNKNOWN."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from bnlint.domain.graph import Value

S = TypeVar("S")


class Unknown(enum.Enum):
    """The type of UNKNOWN: nobody can tell from this graph."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Answer: TypeAlias = Value | Unknown


@dataclass(frozen=True, slots=True)
class Fact(Generic[S]):
    """A question about a subject. ``shapes`` is true when the answer hangs on traced shapes."""

    name: str
    meaning: str
    answer: Callable[[S], Answer]
    shapes: bool = False
