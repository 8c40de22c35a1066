"""Operations that work element by element, with broadcasting, and concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from bnlint.layers.shapes.plain import is_plain_tensor, like

LAYERS: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Softplus,
    nn.Sigmoid,
    nn.Hardsigmoid,
    nn.Tanh,
    nn.Softsign,
    nn.Softmax,
    nn.LogSoftmax,
    nn.Identity,
)
"""Layers whose output has the shape and type of their input."""

UNARY = frozenset(
    {
        *("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish"),
        *("hardswish", "hardsigmoid", "hardtanh", "softplus", "sigmoid", "tanh", "softmax"),
        *("log_softmax", "dropout", "dropout1d", "dropout2d", "dropout3d", "exp", "sqrt", "abs"),
        *("contiguous", "clamp"),
    }
)
"""Functions and methods whose result has the shape and type of their first argument."""

BINARY = frozenset(
    {
        *("add", "sub", "mul", "div", "truediv", "multiply", "divide", "subtract"),
        *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__"),
        *("__truediv__", "__rtruediv__", "maximum", "minimum"),
    }
)
"""Functions of two tensors, or of a tensor and a number, that broadcast."""

IN_PLACE = frozenset(
    {
        *("iadd", "isub", "imul", "itruediv", "__iadd__", "__isub__", "__imul__", "__itruediv__"),
        *("add_", "sub_", "mul_", "div_"),
    }
)
"""The same, written into the first argument."""


def layer(module: nn.Module, x: torch.Tensor) -> torch.Tensor | None:
    """A tensor like the input; the input itself where the layer would return that."""
    if not x.is_floating_point():
        return None
    gives_input = isinstance(module, nn.Identity) or getattr(module, "inplace", False) is True
    return x if gives_input else like(x, x.shape)


def unary(x: Any, *args: Any, **kwargs: Any) -> torch.Tensor | None:
    """A tensor like the first argument."""
    if any(isinstance(a, torch.Tensor) for a in (*args, *kwargs.values())):
        return None
    if not is_plain_tensor(x) or not x.is_floating_point() or "dtype" in kwargs:
        return None
    return x if kwargs.get("inplace") is True else like(x, x.shape)


def binary(a: Any, b: Any = None, **kwargs: Any) -> torch.Tensor | None:
    """The broadcast of two floating tensors of one type, or of one and a number.

    Raises
    ------
    RuntimeError
        When the shapes do not fit.

    """
    if kwargs:
        return None
    if isinstance(a, (int, float)) and not isinstance(a, bool):
        a, b = b, a
    if not is_plain_tensor(a) or not a.is_floating_point():
        return None
    if isinstance(b, (int, float)):
        return like(a, a.shape)
    if not is_plain_tensor(b) or a.dtype != b.dtype:
        return None
    return like(a, broadcast(a.shape, b.shape))


def in_place(a: Any, b: Any = None, **kwargs: Any) -> torch.Tensor | None:
    """The first argument, when the second broadcasts to it."""
    found = binary(a, b, **kwargs)
    if found is None or not is_plain_tensor(a):
        return None
    if found.shape != a.shape:
        raise RuntimeError(
            f"output with shape {list(a.shape)} doesn't match the broadcast shape "
            f"{list(found.shape)}"
        )
    return found


def broadcast(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """The broadcast of two shapes; raises RuntimeError as torch does when they do not fit."""
    rank = max(len(a), len(b))
    left, right = [1] * (rank - len(a)) + list(a), [1] * (rank - len(b)) + list(b)
    for axis, (m, n) in enumerate(zip(left, right, strict=True)):
        if m != n and 1 not in (m, n):
            raise RuntimeError(
                f"The size of tensor a ({m}) must match the size of tensor b ({n}) "
                f"at non-singleton dimension {axis}"
            )
    return [n if m == 1 else m for m, n in zip(left, right, strict=True)]


def concatenated(tensors: Any, dim: Any = 0, **kwargs: Any) -> torch.Tensor | None:
    """``torch.cat`` of floating tensors of one type.

    Raises
    ------
    RuntimeError
        When the other axes differ.

    """
    if kwargs or not isinstance(tensors, (tuple, list)) or not isinstance(dim, int):
        return None
    if not tensors or not all(is_plain_tensor(t) and t.ndim for t in tensors):
        return None
    first = tensors[0]
    same = all(t.ndim == first.ndim and t.dtype == first.dtype for t in tensors)
    if not same or not -first.ndim <= dim < first.ndim:
        return None
    axis = dim % first.ndim
    for tensor in tensors[1:]:
        for i, (m, n) in enumerate(zip(first.shape, tensor.shape, strict=True)):
            if i != axis and m != n:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. "
                    f"Expected size {m} but got size {n} in dimension {i}"
                )
    shape = list(first.shape)
    shape[axis] = sum(t.shape[axis] for t in tensors)
    return like(first, shape)
