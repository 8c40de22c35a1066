"""Facts that the graph states outright: fields of it, and what tracing wrote on an operation."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.domain.rule import Tags
from bnlint.graph.facts.fact import Answer, model_fact, op_fact
from bnlint.graph.view import View, layer_key
from bnlint.layers.table import having

INITIAL_PREFIX = "init-"

OWN_FACTS: Mapping[str, str] = {
    "class": "short name of the class or function",
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
    "dim": "softmax, concat, flatten: the axis",
    "start-dim": "flatten: the first axis that is merged",
    "global": "pooling: whether one value a channel is left",
    "normalized-shape": "layer norms: the axes that are normalised",
    "activation": "fused norms: kind of the activation inside",
    "composite": "whether it is a layer made of layers that was not looked into",
    "parameters": "how many parameters (tensors) it has",
    "custom": "whether its class has a forward of its own, so its attributes may not tell all",
    "alone": "whether its part was traced by itself, so its holder may call it otherwise",
    "states": "how many parameters and buffers (tensors) an unregistered module holds",
    "mentioned": "whether the class that holds the module names it, apart from building it",
    "index": "inputs and outputs of the model: position",
    "init-dead-share": "share of units that start with zero weights or scale and no positive bias",
    "init-rows-equal": "kernels: whether all units start with the same weights",
    "init-tied": "where they do: whether the kernels ahead keep them the same",
    "init-zero": "kernels: whether all weights start at zero",
    "init-starting-dead": "kernels before a ReLU, no norm between: predicted share of dead units",
    "init-dead-by-bias": "the part of those that the biases kill",
    "init-kernels": "last kernel of a stretch without norms: how many kernels it has",
    "init-first": "the same: its first kernel",
    "init-signal": "the same: deviation between samples over the scale at its end, predicted",
    "init-gradient": "the same: gradient over weight of its first kernel, relative to its last",
    "init-kept": "the same: the smaller one of signal and gradient",
    "init-dies": "the same: whether biases kill a layer in it",
}


def layers(view: View, tag: str) -> int:
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
model_fact("guessed-arguments", "arguments whose values were made up")(
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
model_fact("batchnorms", "how many batch norms it has")(lambda view: layers(view, "batchnorm"))
model_fact("norms", "how many norms it has")(lambda view: layers(view, "norm"))
model_fact("kernels", "how many kernels it has")(lambda view: layers(view, "kernel"))
model_fact("activations", "how many activations it has")(lambda view: layers(view, "activation"))
