"""The arguments of torch's layers in their order, and the defaults that an edit may leave out."""

from __future__ import annotations

import re
from collections.abc import Mapping

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

_DEFAULTS: Mapping[str, Value] = {
    "inplace": False,
    "affine": True,
    "elementwise_affine": True,
    "track_running_stats": True,
    "eps": 1e-5,
    "momentum": 0.1,
}
"""Of the layers above, whatever the class (GroupNorm has no momentum, and so on)."""


def parameters_of(type_name: str) -> tuple[str, ...]:
    """The arguments of a layer or function of torch by its dotted name; empty if not known."""
    if not type_name.startswith("torch."):
        return ()
    short = type_name.rpartition(".")[2]
    for pattern, names in _SIGNATURES.items():
        if re.fullmatch(pattern, short):
            return tuple(names.split())
    return ()


def is_default(type_name: str, name: str, value: Value) -> bool:
    """True when ``value`` is what the argument is anyway."""
    if name not in parameters_of(type_name) or name not in _DEFAULTS:
        return False
    if name == "affine" and "InstanceNorm" in type_name:
        return value is False
    if name == "track_running_stats" and "InstanceNorm" in type_name:
        return value is False
    return value == _DEFAULTS[name] and isinstance(value, type(_DEFAULTS[name]))
