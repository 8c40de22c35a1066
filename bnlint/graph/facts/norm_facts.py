"""Facts about norms: their family, what they accept, and what would be right instead."""

from __future__ import annotations

import math
import re

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.carried import in_rank, in_shape, rank_by_layers, settled_shape
from bnlint.graph.facts.fact import UNKNOWN, Answer, model_fact, op_fact
from bnlint.graph.view import View
from bnlint.layers.table import members, rank_of

FAMILIES = members("norm")
_RANKED = re.compile(r"(.*Norm)[123]d\Z")
_DIGITS = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}
HALF = 0.5


@model_fact("norm-families")
def norm_families(view: View) -> Answer:
    """Families of its norms."""
    return tuple(sorted(f for f in FAMILIES if view.fitting(Tags(any_of=(f,)))))


@op_fact("family")
def family(_: View, op: Op) -> Answer:
    """Batchnorm, instancenorm, groupnorm, layernorm, ... of a norm."""
    return next((f for f in FAMILIES if f in op.tags), "norm" if "norm" in op.tags else UNKNOWN)


@op_fact("ranks-allowed")
def ranks_allowed(view: View, op: Op) -> Answer:
    """Numbers of axes that the norm accepts."""
    rank = rank_of(op.tags) or op.facts.get("rank")
    if not isinstance(rank, int) or "syncbatchnorm" in op.tags:
        return UNKNOWN
    if "batchnorm" in op.tags:
        return (2, 3) if rank == 1 else (rank + 2,)
    if "instancenorm" not in op.tags:
        return UNKNOWN
    # One sample is accepted too, but a batch that is taken for one is not what was meant.
    return (rank + 2,) if batch_as_channels(view, op) is True else (rank + 1, rank + 2)


@op_fact("batch-as-channels", shapes=True)
def batch_as_channels(view: View, op: Op) -> Answer:
    """Instance norms: whether a batch is taken for one sample, and its axis for the channels.

    Torch does so where an axis is missing: it averages over the true channels then, and says no
    more than a warning. It shows where axis 1 holds the channels the norm is for, and axis 0 not.
    Unknown where only a guessed input says how many axes there are.
    """
    if "instancenorm" not in op.tags:
        return False
    rank, channels, shape = op.facts.get("rank"), op.facts.get("channels"), settled_shape(op)
    if not isinstance(rank, int) or channels is None or shape is None:
        return UNKNOWN
    if view.graph.ref.inputs.source == "inferred" and rank_by_layers(view, op) is UNKNOWN:
        return UNKNOWN
    return len(shape) == rank + 1 and shape[0] != channels and shape[1] == channels


@op_fact("values-per-channel", shapes=True)
def values_per_channel(_: View, op: Op) -> Answer:
    """Values of the traced batch that the norm averages over."""
    shape = in_shape(op)
    if shape is None or len(shape) < 2:
        return UNKNOWN
    return shape[0] * math.prod(shape[2:])


@op_fact("class-for-rank", shapes=True)
def class_for_rank(view: View, op: Op) -> Answer:
    """Norms of torch: the class of the family for the rank that arrives."""
    found = _RANKED.match(op.types[0]) if op.types else None
    digits = _DIGITS.get(in_rank(view, op))  # type: ignore[arg-type]
    if found is None or digits is None or not op.types[0].startswith("torch.nn."):
        return UNKNOWN
    return found[1].rpartition(".")[2] + digits


@op_fact("channels-argument")
def channels_argument(_: View, op: Op) -> Answer:
    """Norms: the argument that holds their channels."""
    return "num_channels" if "groupnorm" in op.tags else "num_features"


@op_fact("momentum-converted")
def momentum_converted(_: View, op: Op) -> Answer:
    """Norms: 1 - momentum, as torch counts it."""
    return _complement(op.facts.get("momentum"))


@op_fact("momentum-meant")
def momentum_meant(_: View, op: Op) -> Answer:
    """Norms: eps as a momentum, converted if it is .5 or more."""
    eps = op.facts.get("eps")
    if not isinstance(eps, float) or not 0.01 <= eps < 1:
        return UNKNOWN
    return _complement(eps) if eps >= HALF else eps


def _complement(share: object) -> Answer:
    if not isinstance(share, float) or not 0 < share < 1:
        return UNKNOWN
    return round(1 - share, 10)
