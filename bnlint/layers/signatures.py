"""The arguments of torch's layers and functions in their order, and what they are by default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from bnlint.domain.graph import Value

_CONV = "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode"
_TRANSPOSED = (
    "in_channels out_channels kernel_size stride padding output_padding groups bias dilation "
    "padding_mode"
)
_NORM = "num_features eps momentum affine track_running_stats"

_SIGNATURES: Mapping[str, str] = {
    r"Conv[123]d": _CONV,
    r"LazyConv[123]d": _CONV.removeprefix("in_channels "),
    r"ConvTranspose[123]d": _TRANSPOSED,
    r"LazyConvTranspose[123]d": _TRANSPOSED.removeprefix("in_channels "),
    r"Linear": "in_features out_features bias",
    r"LazyLinear": "out_features bias",
    r"Bilinear": "in1_features in2_features out_features bias",
    r"(BatchNorm|InstanceNorm)[123]d": _NORM,
    r"Lazy(BatchNorm|InstanceNorm)[123]d": _NORM.removeprefix("num_features "),
    r"SyncBatchNorm": f"{_NORM} process_group",
    r"GroupNorm": "num_groups num_channels eps affine",
    r"LayerNorm": "normalized_shape eps elementwise_affine bias",
    r"layer_norm": "input normalized_shape weight bias eps",
    r"ReLU6?|SELU|SiLU|Mish|Hardswish|Hardsigmoid": "inplace",
    r"LeakyReLU": "negative_slope inplace",
    r"ELU|CELU": "alpha inplace",
    r"Hardtanh": "min_val max_val inplace",
    r"RReLU": "lower upper inplace",
    r"Threshold": "threshold value inplace",
    r"(Feature)?(Alpha)?Dropout[123]?d?": "p inplace",
    r"relu6?|selu|silu|mish|hardswish|hardsigmoid": "input inplace",
    r"leaky_relu": "input negative_slope inplace",
    r"elu|celu": "input alpha inplace",
    r"hardtanh": "input min_val max_val inplace",
    r"threshold": "input threshold value inplace",
    r"dropout|dropout[123]d|alpha_dropout|feature_alpha_dropout": "input p training inplace",
}

_BUILTINS: Mapping[str, str] = {
    r"conv[123]d": "input weight bias stride padding dilation groups",
    r"conv_transpose[123]d": "input weight bias stride padding output_padding groups",
    r"linear": "input weight bias",
    r"(log_)?softmax": "input dim",
    r"clamp_?|clip": "input min max",
    r"clamp_min": "input min",
    r"cat|concat|concatenate|stack": "tensors dim",
    r"flatten": "input start_dim end_dim",
    r"mean|sum|amax": "input dim keepdim",
    r"transpose": "input dim0 dim1",
    r"chunk": "input chunks dim",
    r"split": "input size dim",
    r"avg_pool[123]d": "input kernel_size stride padding ceil_mode count_include_pad",
    r"adaptive_avg_pool[123]d": "input output_size",
}
"""Functions that have no signature in Python, with the arguments from which facts are read."""

_DEFAULTS: Mapping[str, Value] = {
    "inplace": False,
    "affine": True,
    "elementwise_affine": True,
    "track_running_stats": True,
    "eps": 1e-5,
    "momentum": 0.1,
}
"""Of all layers above that have the argument."""


def parameters_of(type_name: str) -> tuple[str, ...]:
    """The arguments of a layer or function of torch by its dotted name; empty if not known."""
    if not type_name.startswith("torch."):
        return ()
    return _first(_SIGNATURES, type_name.rpartition(".")[2])


@lru_cache(maxsize=512)
def arguments_of_builtin(name: str) -> tuple[str, ...]:
    """The arguments of a function that is built into torch by its plain name; empty for others."""
    return _first(_BUILTINS, name)


def _first(signatures: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The words of the first pattern that the whole name matches."""
    found = (words for pattern, words in signatures.items() if re.fullmatch(pattern, name))
    return tuple(next(found, "").split())


def is_default(type_name: str, name: str, value: Value) -> bool:
    """True when ``value`` is the default of the argument."""
    if name not in parameters_of(type_name) or name not in _DEFAULTS:
        return False
    if name in ("affine", "track_running_stats") and ".InstanceNorm" in type_name:
        return value is False
    return value == _DEFAULTS[name] and isinstance(value, type(_DEFAULTS[name]))
