"""Faults to plant in the draft of a unit: the rule that must fire, where it fits, what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from tests.fuzz.building import Draft, in_dims, make_kernel, make_norm
from tests.fuzz.plan import Unit


@dataclass(frozen=True, slots=True)
class Fault:
    """``plant`` changes the draft and names the layer of it that must be reported.

    ``needs_inputs`` where nothing but an input says what is right; ``least_dims`` are the spatial
    axes without which it is none.
    """

    rule: str
    fits: Callable[[Unit], bool]
    plant: Callable[[Draft], str]
    needs_inputs: bool = False
    least_dims: int = 0


def is_batch(unit: Unit) -> bool:
    return unit.norm in ("batch", "lazy")


def is_centred(unit: Unit) -> bool:
    """True where the norm subtracts the mean of each channel."""
    return unit.norm in ("batch", "lazy", "instance")


def behind_activation(draft: Draft) -> str:
    norm, act = draft.order.index("norm"), draft.order.index("act")
    draft.order[norm], draft.order[act] = "act", "norm"
    return "norm"


def with_bias(draft: Draft) -> str:
    draft.layers["kernel"] = make_kernel(draft.unit, draft.dims, bias=True)
    return "kernel"


def other_channels(draft: Draft) -> str:
    channels = draft.unit.channels[0 if draft.unit.pre else 1]
    draft.layers["norm"] = make_norm(draft.unit, draft.dims, channels + 2)
    return "norm"


def dropout_first(draft: Draft) -> str:
    return draft.insert("dropped", nn.Dropout(0.3), "norm")


def called_twice(draft: Draft) -> str:
    width = draft.unit.channels[1]
    again = replace(draft.unit, channels=(width, width))
    draft.layers["again"] = make_kernel(again, draft.dims)
    act = draft.order.index("act") + 1
    draft.order[act:act] = ["again", "norm", "act"]
    draft.written = True
    return "norm"


def norm_repeated(draft: Draft) -> str:
    draft.layers["second"] = make_norm(draft.unit, draft.dims)
    draft.order.insert(draft.order.index("norm") + 1, "second")
    return "second"


def keeping_momentum(draft: Draft) -> str:
    draft.layers["norm"] = make_norm(draft.unit, draft.dims, momentum=0.99)
    return "norm"


def momentum_as_eps(draft: Draft) -> str:
    draft.layers["norm"] = make_norm(draft.unit, draft.dims, eps=0.8)
    return "norm"


def other_rank(draft: Draft) -> str:
    name = "InstanceNorm" if draft.unit.norm == "instance" else "BatchNorm"
    channels = draft.unit.channels[0 if draft.unit.pre else 1]
    draft.layers["norm"] = in_dims(name, 1 if draft.dims > 1 else 3)(channels)
    return "norm"


def in_plain_list(draft: Draft) -> str:
    draft.layers["held"] = [draft.layers.pop("kernel")]
    draft.order[draft.order.index("kernel")] = "held"
    draft.written = True
    return "held[0]"


def unused(draft: Draft) -> str:
    draft.layers["spare"] = make_kernel(draft.unit, draft.dims)
    draft.written = True
    return "spare"


def inplace_on_shared(draft: Draft) -> str:
    return draft.insert("first", nn.ReLU(inplace=True), draft.order[0])


def switches_off(unit: Unit) -> bool:
    """Whether its activation leaves a unit without gradient; with others BN101 is a hint."""
    zeros = ("relu", "relu6", "clamp", "hardswish", "tanh", "sigmoid")
    return unit.act is not None and unit.act.name in zeros


FAULTS: dict[str, Fault] = {
    "norm behind its activation": Fault(
        "BN101", lambda u: is_batch(u) and not u.pre and switches_off(u), behind_activation
    ),
    "bias before a norm": Fault("BN301", lambda u: is_centred(u) and not u.pre, with_bias),
    "other num_features": Fault("BN201", lambda u: u.norm not in ("lazy", "layer"), other_channels),
    "dropout before the norm": Fault("BN106", is_batch, dropout_first),
    "norm called twice": Fault(
        "BN401", lambda u: is_batch(u) and not u.pre and u.act is not None, called_twice
    ),
    "norm repeated": Fault("BN105", is_centred, norm_repeated),
    "momentum of the other convention": Fault("BN303", is_batch, keeping_momentum),
    "momentum in the place of eps": Fault("BN305", lambda u: u.norm != "layer", momentum_as_eps),
    "norm of another rank": Fault(
        "BN202", lambda u: u.norm in ("batch", "instance"), other_rank, needs_inputs=True
    ),
    "layer in a plain list": Fault("BN403", lambda u: True, in_plain_list),
    "unused layer": Fault("BN402", lambda u: True, unused),
    "in-place on a shared tensor": Fault("BN406", lambda u: u.shared, inplace_on_shared),
}
