"""Faults of a forward: a module is put around a layer, and one of its operations is to blame."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from bnlint.domain.graph import Op, Shape

from . import around as wrappers
from .faults import OF_LAYERS, Mutation, beside, is_kernel, is_norm, is_plain_norm
from .site import Site, Surroundings


def within(
    make: Callable[[nn.Module], nn.Module], blamed: str
) -> Callable[[Site], tuple[str, ...]]:
    """The layer inside of a module, whose operation ``blamed`` is the fault."""

    def plant(site: Site) -> tuple[str, ...]:
        site.put(site.op.module, make(site.layer))
        return (f"{site.op.module}.{blamed}",)

    return plant


def within_sized(
    make: Callable[[nn.Module, int], nn.Module], blamed: str
) -> Callable[[Site], tuple[str, ...]]:
    """The same for a module that needs the number of channels."""

    def plant(site: Site) -> tuple[str, ...]:
        return within(lambda layer: make(layer, _map(site.op)[1]), blamed)(site)

    return plant


def normed(make: Callable[[int], nn.Module]) -> Callable[[Site], tuple[str, ...]]:
    """A norm more, behind the layer, for its channels."""

    def plant(site: Site) -> tuple[str, ...]:
        put: Callable[[Site], tuple[str, ...]]
        put = beside("norm", lambda _: make(_map(site.op)[1]), before=False)
        return put(site)

    return plant


def left_uncalled(site: Site) -> tuple[str, ...]:
    """The norm registered beside its layer under another name, and not called."""
    kernel = site.around.source(site.op)
    parent = site.op.module.rpartition(".")[0]
    holder = site.model.get_submodule(parent)
    if kernel is None or isinstance(holder, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return ()
    holder.add_module("spare", site.layer)
    site.put(site.op.module, nn.Identity())
    return (kernel.module,)


def _map(op: Op) -> Shape:
    """The shape of a map that a layer returns; empty for anything else."""
    shape = op.outputs[0] if op.outputs else None
    return shape if shape is not None and len(shape) == 4 else ()


def makes_map(around: Surroundings, op: Op) -> bool:
    """A convolution whose result is a map of several places, with other numbers of channels."""
    shape = _map(op)
    if not is_kernel(around, op) or not shape:
        return False
    places = math.prod(shape[2:])
    return places > 1 and shape[1] not in (1, *shape[2:], places)


def makes_one_place(around: Surroundings, op: Op) -> bool:
    return is_kernel(around, op) and _map(op)[2:] == (1, 1) and _map(op)[1] > 1


def changes_shape(around: Surroundings, op: Op) -> bool:
    """A convolution with other channels or places than its input, none of which is 1."""
    before, after = op.inputs[0] if op.inputs else None, _map(op)
    if not is_kernel(around, op) or before is None or len(before) != len(after) or not after:
        return False
    return any(a != b and 1 not in (a, b) for a, b in zip(before, after, strict=True))


def keeps_shape(around: Surroundings, op: Op) -> bool:
    return is_kernel(around, op) and bool(_map(op)) and op.inputs[:1] == (_map(op),)


def is_lone_way(around: Surroundings, op: Op) -> bool:
    """The first kernel of a model, which is not its last, so that it starves alone."""
    source = around.source(op)
    return is_kernel(around, op) and source is not None and "input" in source.tags


def is_norm_beside(around: Surroundings, op: Op) -> bool:
    """A norm with the same holder as its layer, that a layer follows."""
    kernel, reader = around.source(op), around.reader(op)
    if not is_plain_norm(around, op) or kernel is None or reader is None:
        return False
    return kernel.module.rpartition(".")[0] == op.module.rpartition(".")[0]


MUTATIONS: dict[str, Mutation] = OF_LAYERS | {
    "dropout that stays on": Mutation(
        "BN306", is_kernel, within(wrappers.AlwaysDropped, "dropout()")
    ),
    "result thrown away": Mutation("BN407", is_kernel, within(wrappers.ThrownAway, "extra")),
    "gradient cut": Mutation("BN410", is_lone_way, within(wrappers.CutOff, "detach()")),
    "skip over another shape": Mutation(
        "BN206", changes_shape, within(wrappers.AddedToInput, "add()")
    ),
    "layer norm of a map": Mutation("BN207", makes_map, normed(nn.LayerNorm)),
    "instance norm of one place": Mutation("BN208", makes_one_place, normed(nn.InstanceNorm2d)),
    "softmax over the batch": Mutation(
        "BN209", makes_map, within(wrappers.SoftmaxOverBatch, "softmax()")
    ),
    "softmax of one": Mutation("BN210", makes_map, within(wrappers.SoftmaxOfOne, "softmax()")),
    "view instead of permute": Mutation("BN211", makes_map, within(wrappers.Scrambled, "view()")),
    "normalize over the tokens": Mutation(
        "BN212", makes_map, within(wrappers.NormalizedOverTokens, "normalize()")
    ),
    "batch as sequence": Mutation(
        "BN213", makes_map, within_sized(wrappers.BatchAsSequence, "mix")
    ),
    "weights over the queries": Mutation(
        "BN214", makes_map, within_sized(wrappers.WeightsOverQueries, "softmax()")
    ),
    "norm in a checkpoint": Mutation("BN408", is_norm, within(wrappers.Recomputed, "own")),
    "layer called again": Mutation("BN409", keeps_shape, within(wrappers.CalledAgain, "own")),
    "factor that is no parameter": Mutation(
        "BN412", is_kernel, within(wrappers.LooselyScaled, "mul()")
    ),
    "norm never called": Mutation("BN102", is_norm_beside, left_uncalled),
}
