"""Faults of layers: each changes one layer of a live model and names those that may be blamed.

Where a mutation fits is told by what stands around a layer and not by what a rule makes of it, so
that an exception of a rule that is too wide shows as a miss.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bnlint.domain.finding import Severity
from bnlint.domain.graph import Op
from bnlint.layers.table import builtin_table

from .site import Site, Surroundings, layer_ops

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_SWITCHES = frozenset(("relu-family", "saturating", "hardswish"))
KERNELS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.ConvTranspose2d)


@dataclass(frozen=True, slots=True)
class Mutation:
    """``plant`` returns the layers at one of which ``rule`` must fire; none: it does not fit.

    ``least`` is the severity that counts: some faults are no more than a hint.
    """

    rule: str
    fits: Callable[[Surroundings, Op], bool]
    plant: Callable[[Site], tuple[str, ...]]
    least: Severity = Severity.WARNING


def is_norm(around: Surroundings, op: Op) -> bool:
    """A batch norm behind a kernel that nothing else reads."""
    source = around.source(op)
    return (
        "batchnorm" in op.tags
        and "frozen" not in op.tags
        and source is not None
        and "kernel" in source.tags
        and around.reader(source) is not None
    )


def is_normed_kernel(around: Surroundings, op: Op) -> bool:
    """A kernel without a bias, all of whose result goes into a batch norm."""
    reader = around.reader(op)
    return (
        "kernel" in op.tags
        and op.facts.get("bias") is False
        and reader is not None
        and is_norm(around, reader)
    )


def is_kernel(around: Surroundings, op: Op) -> bool:
    return "kernel" in op.tags


def _activation(around: Surroundings, op: Op) -> frozenset[str]:
    """The tags of the activation that a batch norm's result goes into, or that it applies."""
    reader = around.reader(op)
    if {"fused", "activation"} <= op.tags:
        return builtin_table().kind(str(op.facts.get("activation"))).tags
    return reader.tags if reader is not None and "activation" in reader.tags else frozenset()


def has_switch(around: Surroundings, op: Op) -> bool:
    """A batch norm before an activation that can be off for good."""
    return is_norm(around, op) and bool(_activation(around, op) & _SWITCHES)


def has_smooth(around: Surroundings, op: Op) -> bool:
    """A batch norm before an activation that passes some gradient everywhere."""
    found = _activation(around, op)
    return is_norm(around, op) and bool(found) and not found & _SWITCHES


def reads_shared(around: Surroundings, op: Op) -> bool:
    """A kernel whose input goes into an add or concatenation as well."""
    source = around.source(op)
    return (
        "kernel" in op.tags
        and source is not None
        and "input" not in source.tags
        and any(o.tags & {"add", "concat"} for o in around.after(source))
    )


def is_plain_norm(around: Surroundings, op: Op) -> bool:
    return is_norm(around, op) and op.types[0].endswith(("BatchNorm1d", "BatchNorm2d"))


def empty(size: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(size, device="meta"))


def bias_on(site: Site) -> tuple[str, ...]:
    layer: Any = site.layer
    if not isinstance(layer, KERNELS):
        return ()
    layer.bias = empty(layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels)
    return (site.op.module,)


def more_channels(site: Site) -> tuple[str, ...]:
    layer: Any = site.layer
    if not isinstance(layer, PLAIN) or layer.weight is None:
        return ()
    layer.num_features += 8
    layer.weight, layer.bias = empty(layer.num_features), empty(layer.num_features)
    layer.running_mean = torch.empty(layer.num_features, device="meta")
    layer.running_var = torch.empty(layer.num_features, device="meta")
    return (site.op.module,)


def option(name: str, value: float) -> Callable[[Site], tuple[str, ...]]:
    def plant(site: Site) -> tuple[str, ...]:
        setattr(site.layer, name, value)
        return (site.op.module,)

    return plant


def beside(name: str, make: Callable[[nn.Module], nn.Module], *, before: bool) -> Any:
    """A layer more, before the one that is there or behind it."""

    def plant(site: Site) -> tuple[str, ...]:
        own, new = ("own", site.layer), (name, make(site.layer))
        if isinstance(site.layer, nn.Identity):
            return ()
        pair = (new, own) if before else (own, new)
        site.put(site.op.module, nn.Sequential(OrderedDict(pair)))
        return (f"{site.op.module}.{name}",)

    return plant


def behind_activation(site: Site) -> tuple[str, ...]:
    """Exchange the two where they are two layers; else put the norm before the next kernel."""
    op, norm = site.op, site.layer
    if "activation" in op.tags:
        return _unfused(site)
    act = site.around.reader(op)
    if act is None:
        return ()
    if act.id in {o.id for o in layer_ops(site.around.graph)}:
        site.put(op.module, site.model.get_submodule(act.module))
        site.put(act.module, norm)
        return (act.module,)
    kernel = site.around.reader(act)
    if kernel is None or "kernel" not in kernel.tags or kernel.layer != kernel.module:
        return ()
    site.put(op.module, nn.Identity())
    following = site.model.get_submodule(kernel.module)
    site.put(kernel.module, nn.Sequential(OrderedDict(norm=norm, own=following)))
    return (f"{kernel.module}.norm",)


def _unfused(site: Site) -> tuple[str, ...]:
    layer: Any = site.layer
    act = getattr(layer, "act", None)
    if not isinstance(act, nn.Module) or not isinstance(layer, nn.BatchNorm2d):
        return ()
    norm = nn.BatchNorm2d(layer.num_features, device="meta")
    site.put(site.op.module, nn.Sequential(OrderedDict(act=act, norm=norm)))
    return (f"{site.op.module}.norm",)


def called_twice(site: Site) -> tuple[str, ...]:
    """The norm takes the place of the next one of its size, in another part of the model."""
    own = site.op.module.rpartition(".")[0]
    later = [op for op in layer_ops(site.around.graph) if is_norm(site.around, op)]
    later = later[[op.id for op in later].index(site.op.id) + 1 :]
    for op in later:
        like = op.types == site.op.types and op.facts.get("channels") == site.op.facts["channels"]
        if like and op.module.rpartition(".")[0] != own:
            site.put(op.module, site.layer)
            return (site.op.module, op.module)
    return ()


def other_rank(site: Site) -> tuple[str, ...]:
    layer: Any = site.layer
    other = nn.BatchNorm1d if isinstance(layer, nn.BatchNorm2d) else nn.BatchNorm2d
    site.put(site.op.module, other(layer.num_features, device="meta"))
    return (site.op.module,)


class Held(nn.Module):
    """A layer in a plain list."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.held = [layer]

    def __getattr__(self, name: str) -> Any:
        """An attribute of the layer, which forward may read (``self.conv.weight``)."""
        held = self.__dict__.get("held")
        return super().__getattr__(name) if held is None else getattr(held[0], name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.held[0](*args, **kwargs)


def in_plain_list(site: Site) -> tuple[str, ...]:
    site.put(site.op.module, Held(site.layer))
    return (f"{site.op.module}.held[0]",)


def unused(site: Site) -> tuple[str, ...]:
    parent = site.op.module.rpartition(".")[0]
    holder = site.model.get_submodule(parent)
    if isinstance(holder, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return ()  # a Sequential would call it
    holder.add_module("spare", copy.deepcopy(site.layer))
    return (f"{parent}.spare".lstrip("."),)


OF_LAYERS: dict[str, Mutation] = {
    "norm moved behind its activation": Mutation("BN101", has_switch, behind_activation),
    "norm moved behind a smooth activation": Mutation(
        "BN101", has_smooth, behind_activation, Severity.INFO
    ),
    "bias switched on": Mutation("BN301", is_normed_kernel, bias_on),
    "num_features changed": Mutation("BN201", is_norm, more_channels),
    "dropout put in front": Mutation(
        "BN106", is_norm, beside("drop", lambda _: nn.Dropout(0.2), before=True)
    ),
    "norm called twice": Mutation("BN401", is_norm, called_twice),
    "norm repeated": Mutation(
        "BN105",
        lambda a, o: is_norm(a, o) and "activation" not in o.tags,
        beside("again", copy.deepcopy, before=False),
    ),
    "momentum of 0.99": Mutation("BN303", is_norm, option("momentum", 0.99)),
    "eps of 0.8": Mutation("BN305", is_norm, option("eps", 0.8)),
    "norm of another rank": Mutation("BN202", is_plain_norm, other_rank),
    "layer in a plain list": Mutation("BN403", is_kernel, in_plain_list),
    "unused layer": Mutation("BN402", is_kernel, unused),
    "in-place on a residual": Mutation(
        "BN406", reads_shared, beside("act", lambda _: nn.ReLU(inplace=True), before=True)
    ),
}
