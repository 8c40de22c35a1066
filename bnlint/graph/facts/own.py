"""Facts of an operation or model by itself: what the graph states, and what follows for norms."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.carried import in_rank, in_shape, rank_by_layers, settled_shape
from bnlint.graph.facts.fact import UNKNOWN, Answer, model_fact, op_fact
from bnlint.graph.view import View, layer_key
from bnlint.layers.table import having, members, rank_of

INITIAL_PREFIX = "init-"

OWN_FACTS: Mapping[str, str] = {
    "class": "short name of the class or function",
    "library": "installed package that builds the layer, where the file that is checked is none",
    "registered": "whether the module is registered in the model",
    "held": "where an unregistered module is kept: list, global, forward or model",
    "grad": "whether gradients are on at the call",
    "trainable": "whether it has a parameter that requires a gradient",
    "training": "whether the module is in train mode",
    "call-index": "which call of this module this is, from 0",
    "calls": "how often this module is called in one forward",
    "inplace": "whether it writes into its input",
    "in-channels": "kernels: channels (features) taken",
    "out-channels": "kernels: channels (features) given",
    "kernel-size": "kernels: size by axis",
    "stride": "kernels: stride by axis",
    "padding": "kernels and pools: padding by axis",
    "dilation": "kernels: dilation by axis",
    "groups": "kernels and group norm: number of groups",
    "bias": "kernels: whether there is a bias",
    "depthwise": "kernels: whether each channel has its own filter",
    "pointwise": "kernels: whether every kernel size is 1",
    "transposed": "kernels: whether it is a transposed convolution",
    "lazy": "whether sizes are set at the first call",
    "channels": "norms: number of features; missing for a lazy norm",
    "affine": "norms: whether there are a learned scale and shift",
    "eps": "norms: eps",
    "momentum": "norms: momentum; null is a cumulative average",
    "tracks": "norms: whether running statistics are kept",
    "frozen": "norms: whether the statistics never change",
    "rank": "norms: 1, 2 or 3 spatial axes of BatchNormNd",
    "saturating": "activations: whether both ends (or one) are flat",
    "p": "dropout: probability",
    "dim": "softmax, concat, normalize, means and other operations along an axis: the axis",
    "joined": "concat, stack: how many tensors, those that no operation made included",
    "start-dim": "flatten: the first axis that is merged",
    "end-dim": "flatten: the last axis that is merged",
    "keepdim": "means, sums: whether the axes are kept with size 1",
    "permutation": "permute: the axes in their new order",
    "swapped": "transpose: the two axes",
    "sizes": "view, reshape: the sizes as written; `axis 0` is that of a tensor, null is unknown",
    "unregistered": "a tensor that it reads, which wants a gradient but is no parameter: its name",
    "indices": "indexing: for each axis keep, cut, pick, pick last, add, `...` or unknown",
    "batch-first": "recurrent layers and attention: whether axis 0 is the batch",
    "global": "pooling: whether one value a channel is left",
    "normalized-shape": "layer norms: the dimensions that are normalized",
    "activation": "fused norms: kind of the activation inside",
    "composite": "whether it is a layer made of layers that was not looked into",
    "parameters": "how many parameters (tensors) it has",
    "custom": "whether its class has a forward of its own, so its attributes may not tell all",
    "alone": "whether its part was traced by itself, so its holder may call it otherwise",
    "states": "how many parameters and buffers (tensors) an unregistered module holds",
    "mentioned": "whether the class that holds the module names it, apart from building it",
    "optional": "the same, where an input may decide whether the module runs",
    "places": "outputs: the index, key or field of each in what forward returns, empty for all",
    "argument": "inputs: the name of the parameter of forward",
    "required": "inputs: whether that parameter has no default",
    "named": "inputs: whether forward reads the name of that parameter",
    "shared-signature": "inputs: whether base classes, other models of the file or solvers take it",
    "discrete": "whether its result holds integers or truth values, which have no gradient",
    "integer-inputs": "the arguments, from 0, that hold integers or truth values",
    "rebuilt": "whether it makes a tensor of numbers that Python read from another one",
    "kept": "whether Python reads the numbers of its result, or a module or buffer keeps it",
    "dropped": "whether nothing reads its result, nor could the source, whichever way it takes",
    "called-from": "layers called several times: the lines that lead to the call, outermost first",
    "called-in-loops": "the first lines of the loops around these lines, 0 for none",
    "on-explicitly": "the same, where the code passes training=True literally",
    "read-in-evaluation": "whether an output depends on it in eval mode only",
    "index": "inputs and outputs of the model: position",
    "init-dead-share": "share of units that start with zero weights or scale and no positive bias",
    "init-rows-equal": "kernels: whether all units start with the same weights",
    "init-tied": "where they do: whether the kernels ahead keep them the same",
    "init-zero": "kernels: whether all weights start at zero",
    "init-starting-dead": "kernels before a ReLU, no norm between: predicted share of dead units",
    "init-dead-by-bias": "the part of those that the biases kill",
    "init-kernels": "last kernel of a stretch without norms: how many kernels it has",
    "init-first": "the same: its first kernel",
    "init-dead-behind": "kernels that biases kill: how many behind it start dead, too, in words",
    "init-scale": "the same: scale of its result over that of what enters the first",
    "init-scale-left": "that in words: 3e-05, or less than 1e-12",
    "init-signal-left": "init-signal in words",
    "init-gradient-left": "init-gradient in words",
    "init-gradient-too": "the same as the end of a sentence, empty for a gradient that grows",
    "init-signal": "the same: deviation between samples over the scale at its end, predicted",
    "init-gradient": "the same: gradient over weight of its first kernel, relative to its last",
    "init-kept": "the same: the smaller one of signal and gradient",
    "init-dies": "the same: whether biases kill a layer in it",
}


def _layers(view: View, tag: str) -> int:
    """How many different layers (or function calls) have ``tag``."""
    return len({layer_key(op) for op in view.fitting(Tags(any_of=(tag,)))})


@model_fact("merges")
def merges(view: View) -> Answer:
    """How many adds and concatenations it has."""
    return len(view.fitting(Tags(any_of=tuple(having("acts", "merging") - {"product"}))))


op_fact("path", "the layer's name: features.0")(lambda _, op: op.layer)
op_fact("module", "path of the module, or of the one whose forward calls the function")(
    lambda _, op: op.module
)
op_fact("kind", "its row in layers.yaml")(lambda _, op: op.kind)
op_fact("tags", "kind and families")(lambda _, op: tuple(sorted(op.tags)))
op_fact("types", "dotted class names along the MRO")(lambda _, op: op.types)
op_fact("error", "what the shape pass raised here, or null")(lambda _, op: op.error)

model_fact("name", "name of the model")(lambda view: view.graph.ref.name)
model_fact("block", "whether it is a part of another model")(lambda view: view.graph.ref.block)
model_fact("origin", "how it was found: instance, class, factory, named")(
    lambda view: view.graph.ref.origin
)
model_fact("guessed-arguments", "arguments whose values were guessed")(
    lambda view: view.graph.ref.guessed
)
model_fact("inputs-source", "where its inputs come from: declared, mined, inferred, none")(
    lambda view: view.graph.ref.inputs.source
)
model_fact("complete", "whether the trace saw the whole model")(
    lambda view: view.graph.trace.complete
)
model_fact("parameters", "how many numbers it learns")(lambda view: view.graph.parameters)
model_fact("ops", "how many operations it has")(lambda view: len(view.ops))
model_fact("batchnorms", "how many batch norms it has")(lambda view: _layers(view, "batchnorm"))
model_fact("norms", "how many norms it has")(lambda view: _layers(view, "norm"))
model_fact("dropouts", "how many dropouts it has")(lambda view: _layers(view, "dropout"))
model_fact("kernels", "how many kernels it has")(lambda view: _layers(view, "kernel"))
model_fact("activations", "how many activations it has")(lambda view: _layers(view, "activation"))

FAMILIES = members("norm")
_RANKED = re.compile(r"(.*Norm)[123]d\Z")
_DIGITS = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}
HALF = 0.5


@model_fact("norm-families")
def norm_families(view: View) -> Answer:
    """Families of its norms."""
    return tuple(sorted(f for f in FAMILIES if view.fitting(Tags(any_of=(f,)))))


@op_fact("switches-off")
def switches_off(_: View, op: Op) -> Answer:
    """Activations: whether a unit can be off or saturated on every sample, and then stays so."""
    return not op.tags.isdisjoint(("relu-family", "saturating", "hardswish"))


@op_fact("late-norm-means")
def late_norm_means(view: View, op: Op) -> Answer:
    """Activations: what follows from a norm that comes after it and not before, in words."""
    if "saturating" in op.tags:
        return "units that saturate on every sample stay saturated"
    if switches_off(view, op):
        return "units that are negative on every sample cannot recover"
    return "nothing keeps its inputs around zero, so units may use one side of it only"


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
