"""Everything a rule may ask: facts of an operation, of a registered module, of the model.

A fact that tracing wrote on the operation wins over a derived one of the same name. To add a fact,
write a small decorated function in a module of this package (see :mod:`bnlint.graph.facts.fact`).
"""

from __future__ import annotations

from bnlint.graph.facts import (  # noqa: F401  # each registers its facts
    along,
    attending,
    carried,
    gradients,
    reuse,
    scrambling,
    siblings,
    structure,
    submodules,
    surroundings,
    training,
)
from bnlint.graph.facts.fact import (
    MODEL_FACTS,
    MODULE_FACTS,
    OP_FACTS,
    UNKNOWN,
    Answer,
    Fact,
    Facts,
    Unknown,
)
from bnlint.graph.facts.own import INITIAL_PREFIX, OWN_FACTS

__all__ = [
    "INITIAL_PREFIX", "MODEL_FACTS", "MODULE_FACTS", "OP_FACTS", "OWN_FACTS", "UNKNOWN",
    "Answer", "Fact", "Facts", "Unknown",
]  # fmt: skip
