"""Facts that say what would be right instead: values for the fixes of rules."""

from __future__ import annotations

import re

from bnlint.domain.graph import Op
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.facts.flow import in_rank
from bnlint.graph.view import View

_RANKED = re.compile(r"(.*Norm)[123]d\Z")
_DIGITS = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}
HALF = 0.5


def class_for_rank(view: View, op: Op) -> Answer:
    """The class of the same family for the rank that arrives; unknown for classes not of torch."""
    found = _RANKED.match(op.types[0]) if op.types else None
    digits = _DIGITS.get(in_rank(view, op))  # type: ignore[arg-type]
    if found is None or digits is None or not op.types[0].startswith("torch.nn."):
        return UNKNOWN
    return found[1].rpartition(".")[2] + digits


def channels_argument(op: Op) -> Answer:
    """The name of the constructor's argument that says how many channels a norm is for."""
    return "num_channels" if "groupnorm" in op.tags else "num_features"


def momentum_converted(op: Op) -> Answer:
    """The momentum as torch counts it, where it was given as the share of the old value kept."""
    return _complement(op.facts.get("momentum"))


def momentum_meant(op: Op) -> Answer:
    """The momentum that was meant where eps holds it; unknown where eps can't be one."""
    eps = op.facts.get("eps")
    if not isinstance(eps, float) or not 0.01 <= eps < 1:
        return UNKNOWN
    return _complement(eps) if eps >= HALF else eps


def _complement(share: object) -> Answer:
    if not isinstance(share, float) or not 0 < share < 1:
        return UNKNOWN
    return round(1 - share, 10)
