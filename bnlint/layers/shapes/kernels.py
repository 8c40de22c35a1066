"""Shapes of convolutions, linear layers and embeddings (formulas: the docs of ``torch.nn``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnlint.layers.shapes.registry import for_functions, for_layers, is_plain_tensor, like

if TYPE_CHECKING:
    import torch
    from torch import nn


@for_layers("_ConvNd")
def convolution(layer: nn.modules.conv._ConvNd, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a convolution, batched or not."""
    _check(layer, x)
    padding = _padding(layer)
    if padding is None or not x.is_floating_point():
        return None
    sizes = [
        (size + both - step * (kernel - 1) - 1) // stride + 1
        for size, both, step, kernel, stride in zip(
            _spatial(layer, x),
            padding,
            layer.dilation,
            layer.kernel_size,
            layer.stride,
            strict=True,
        )
    ]
    if any(size < 1 for size in sizes):
        raise RuntimeError(
            f"Calculated padded input size per channel is too small for the kernel size "
            f"{tuple(layer.kernel_size)}: the output would be {tuple(sizes)}"
        )
    return _result(layer, x, sizes)


@for_layers("_ConvTransposeNd")
def transposed(layer: nn.modules.conv._ConvTransposeNd, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a transposed convolution without an explicit output size."""
    _check(layer, x)
    if isinstance(layer.padding, str) or not x.is_floating_point():
        return None
    sizes = [
        (size - 1) * stride - 2 * pad + step * (kernel - 1) + extra + 1
        for size, stride, pad, step, kernel, extra in zip(
            _spatial(layer, x),
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.kernel_size,
            layer.output_padding,
            strict=True,
        )
    ]
    return _result(layer, x, sizes) if min(sizes) > 0 else None


@for_layers("Linear")
def linear(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a linear layer."""
    if not x.is_floating_point() or not x.ndim:
        return None
    if x.shape[-1] != layer.in_features:
        rows = x.numel() // x.shape[-1] if x.shape[-1] else 0
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
            f"{layer.in_features}x{layer.out_features})"
        )
    return like(x, (*x.shape[:-1], layer.out_features))


@for_functions("scaled_dot_product_attention")
def attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, *args: Any, **kwargs: Any
) -> torch.Tensor | None:
    """The output of attention: for each query a row as wide as ``value``."""
    tensors = (query, key, value)
    if args[3:] or kwargs.get("enable_gqa") or not all(map(is_plain_tensor, tensors)):
        return None
    alike = len({(t.dtype, t.ndim, t.shape[:-2]) for t in tensors}) == 1 and query.ndim > 2
    if not alike or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        return None
    if attn_mask is not None and not _masks(attn_mask, (*query.shape[:-1], key.shape[-2])):
        return None
    return like(query, (*query.shape[:-1], value.shape[-1]))


def _masks(mask: Any, scores: tuple[int, ...]) -> bool:
    """True when a mask broadcasts to the scores of an attention."""
    if not is_plain_tensor(mask) or mask.ndim > len(scores):
        return False
    pairs = zip(reversed(mask.shape), reversed(scores), strict=False)
    return all(size in (1, wanted) for size, wanted in pairs)


@for_layers("Embedding")
def embedding(layer: nn.Embedding, x: torch.Tensor) -> torch.Tensor | None:
    """A row of the table for each token."""
    if str(x.dtype) not in ("torch.int32", "torch.int64"):
        return None
    return like(layer.weight, (*x.shape, layer.embedding_dim))


def _check(layer: nn.modules.conv._ConvNd, x: torch.Tensor) -> None:
    axes, name = len(layer.kernel_size), type(layer).__name__
    if x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to {name}, "
            f"but got input of size: {list(x.shape)}"
        )
    if x.shape[-axes - 1] != layer.in_channels:
        raise RuntimeError(
            f"Given groups={layer.groups}, weight of size {list(layer.weight.shape)}, expected "
            f"input{list(x.shape)} to have {layer.in_channels} channels, but got "
            f"{x.shape[-axes - 1]} channels instead"
        )


def _spatial(layer: nn.modules.conv._ConvNd, x: torch.Tensor) -> tuple[int, ...]:
    return tuple(x.shape[-len(layer.kernel_size) :])


def _padding(layer: nn.modules.conv._ConvNd) -> tuple[int, ...] | None:
    """The padding on both sides together, for each axis."""
    if layer.padding == "valid":
        return (0,) * len(layer.kernel_size)
    if layer.padding == "same":
        return tuple(d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    if isinstance(layer.padding, str):
        return None
    return tuple(2 * p for p in layer.padding)


def _result(layer: nn.modules.conv._ConvNd, x: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    return like(x, (*x.shape[: x.ndim - len(sizes) - 1], layer.out_channels, *sizes))
