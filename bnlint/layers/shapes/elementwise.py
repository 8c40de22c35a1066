"""Operations that work element by element, with broadcasting; concatenation; norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bnlint.layers.shapes.shape_rules import for_functions, for_layers, is_plain_tensor, like

if TYPE_CHECKING:
    import torch
    from torch import nn


@for_layers("_DropoutNd")
def layer(module: nn.Module, x: torch.Tensor) -> torch.Tensor | None:
    """A tensor like the input; the input itself where the layer would return that."""
    if not x.is_floating_point() or not _drops(type(module).__name__, x):
        return None
    import torch

    same = isinstance(module, torch.nn.Identity) or getattr(module, "inplace", False) is True
    return x if same else like(x, x.shape)


def _drops(name: str, x: torch.Tensor) -> bool:
    """True unless a dropout of whole maps is given a tensor that has none."""
    if name.lower() == "dropout1d":
        return x.ndim in (2, 3)
    return x.ndim > 1 or name.lower() not in ("dropout2d", "dropout3d", "featurealphadropout")


@for_layers("Softmax", "LogSoftmax", "Softmin")
def softmax_layer(module: nn.Softmax, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a softmax."""
    return along_axis(x, module.dim)


@for_functions("softmax", "log_softmax", "softmin")
def along_axis(x: Any, dim: Any = None, **others: Any) -> torch.Tensor | None:
    """A tensor like the first argument, if it has the axis."""
    if others or not is_plain_tensor(x) or not x.is_floating_point() or type(dim) is not int:
        return None
    rank = max(x.ndim, 1)
    if not -rank <= dim < rank:  # on meta, torch does not look
        expected = f"expected to be in range of [{-rank}, {rank - 1}]"
        raise IndexError(f"Dimension out of range ({expected}, but got {dim})")
    return like(x, x.shape)


@for_functions("gumbel_softmax")
def _unsure(*args: Any, **kwargs: Any) -> None:
    """Left to torch."""


@for_layers("Softmax2d")
def _of_maps(module: nn.Softmax2d, x: torch.Tensor) -> torch.Tensor | None:
    return like(x, x.shape) if x.is_floating_point() and x.ndim in (3, 4) else None


@for_functions("clamp")
def clamp(x: Any, min: Any = None, max: Any = None, **others: Any) -> torch.Tensor | None:
    """``torch.clamp`` to numbers."""
    bounds = [bound for bound in (min, max) if bound is not None]
    numbers = all(isinstance(bound, (int, float)) for bound in bounds)
    return unary(x) if bounds and numbers and not others else None


@for_functions("dropout")
def dropout(x: Any, p: Any = 0.5, training: Any = True, inplace: Any = False) -> Any:
    """``torch.nn.functional.dropout``."""
    sure = isinstance(p, (int, float)) and 0 <= p <= 1
    return unary(x, inplace=inplace) if sure else None


@for_functions("dropout2d", "dropout3d")
def dropout_of_maps(x: Any, *args: Any, **kwargs: Any) -> torch.Tensor | None:
    """The dropouts of whole maps."""
    return dropout(x, *args, **kwargs) if is_plain_tensor(x) and x.ndim > 1 else None


@for_functions("exp", "sqrt", "rsqrt", "square", "sin", "cos")
@for_functions("abs", "neg", "__neg__", "contiguous")
def unary(x: Any, *args: Any, **kwargs: Any) -> torch.Tensor | None:
    """A tensor like the first argument."""
    import torch

    if any(isinstance(a, torch.Tensor) for a in (*args, *kwargs.values())):
        return None
    if not is_plain_tensor(x) or not x.is_floating_point() or "dtype" in kwargs:
        return None
    return x if kwargs.get("inplace") is True else like(x, x.shape)


@for_functions("pow", "__pow__")
def power(x: Any, exponent: Any = None, **others: Any) -> torch.Tensor | None:
    """A floating tensor to the power of a number."""
    number = isinstance(exponent, (int, float)) and not isinstance(exponent, bool)
    return unary(x) if number and not others else None


@for_functions("__invert__", "logical_not", "bitwise_not")
def negation(x: Any, **others: Any) -> torch.Tensor | None:
    """The opposite of a mask."""
    import torch

    sure = not others and is_plain_tensor(x) and x.dtype is torch.bool
    return like(x, x.shape) if sure else None


@for_functions("masked_fill")
def filled(x: Any, mask: Any = None, value: Any = None, **others: Any) -> torch.Tensor | None:
    """A floating tensor with a number wherever a mask says so."""
    import torch

    if others or not (is_plain_tensor(x) and is_plain_tensor(mask)):
        return None
    sure = x.is_floating_point() and mask.dtype is torch.bool and isinstance(value, (int, float))
    return like(x, broadcast(x.shape, mask.shape)) if sure else None


@for_functions("add", "sub", "mul", "div", "truediv", "multiply", "divide", "subtract")
@for_functions("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__")
@for_functions("__truediv__", "__rtruediv__")
def binary(a: Any, b: Any = None, **kwargs: Any) -> torch.Tensor | None:
    """The broadcast of two floating tensors of one type, or of one and a number."""
    if kwargs:
        return None
    if isinstance(a, (int, float)) and not isinstance(a, bool):
        a, b = b, a
    if not is_plain_tensor(a) or not a.is_floating_point():
        return None
    if isinstance(b, (int, float)):
        return None if isinstance(b, bool) else like(a, a.shape)
    if not is_plain_tensor(b) or a.dtype != b.dtype:
        return None
    return like(a, broadcast(a.shape, b.shape))


@for_functions("maximum", "minimum")
def extreme(a: Any, b: Any = None, **kwargs: Any) -> torch.Tensor | None:
    """The larger or smaller values of two tensors."""
    return binary(a, b, **kwargs) if is_plain_tensor(a) and is_plain_tensor(b) else None


@for_functions("iadd", "isub", "imul", "itruediv", "add_", "sub_", "mul_", "div_")
@for_functions("__iadd__", "__isub__", "__imul__", "__itruediv__")
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


@for_functions("cat", "concat")
def concatenated(tensors: Any, dim: Any = 0, **kwargs: Any) -> torch.Tensor | None:
    """``torch.cat`` of floating tensors of one type."""
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


@for_layers("_NormBase")
def per_channel(norm: nn.modules.batchnorm._NormBase, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a batch or instance norm; a ValueError as torch's own, where it has one."""
    import torch

    if isinstance(norm, torch.nn.SyncBatchNorm):
        return None
    norm._check_input_dim(x)  # type: ignore[no-untyped-call]
    batch_norm = isinstance(norm, torch.nn.modules.batchnorm._BatchNorm)
    if (norm.weight is not None or norm.running_mean is not None) and x.ndim > 1:
        axis = 1 if batch_norm else x.ndim - norm._get_no_batch_dim()  # type: ignore[operator]
        if x.shape[axis] != norm.num_features:
            raise ValueError(
                f"expected {norm.num_features} channels in axis {axis}, got {x.shape[axis]}"
            )
    if norm.training or norm.running_mean is None:
        _verify_count(norm, x, batch_norm=batch_norm)
    return like(x, x.shape)


def _verify_count(
    norm: nn.modules.batchnorm._NormBase, x: torch.Tensor, *, batch_norm: bool
) -> None:
    """Raise torch's error where a mean would be that of a single value."""
    from torch.nn import functional

    if batch_norm:
        functional._verify_batch_size(list(x.shape))  # type: ignore[attr-defined]
        return
    batched = x.ndim > norm._get_no_batch_dim()  # type: ignore[operator]
    functional._verify_spatial_size(x.shape if batched else x[None].shape)  # type: ignore[attr-defined]


@for_layers("LayerNorm")
def layer_norm(norm: nn.LayerNorm, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a layer norm."""
    wanted = tuple(norm.normalized_shape)
    if tuple(x.shape[-len(wanted) :]) != wanted:
        raise RuntimeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape "
            f"[*, {', '.join(map(str, wanted))}], but got input of size{list(x.shape)}"
        )
    return like(x, x.shape)


@for_layers("GroupNorm")
def group_norm(norm: nn.GroupNorm, x: torch.Tensor) -> torch.Tensor | None:
    """The output of a group norm."""
    if x.ndim < 2 or x.shape[1] % norm.num_groups:
        return None
    if norm.affine and x.shape[1] != norm.num_channels:
        raise RuntimeError(f"expected {norm.num_channels} channels, got {x.shape[1]}")
    if x.numel() == norm.num_groups:
        return None  # one value in each group: it depends on the batch what torch says
    return like(x, x.shape)
