"""What functions of torch that failed ask of their tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch

from bnlint.layers.calls import name_of
from bnlint.layers.table import plain_name
from bnlint.models.nested import tensors
from bnlint.tracing.fitting.complaints import is_too_small, more_axes, wanted_type
from bnlint.tracing.fitting.demand import (
    Demand,
    Larger,
    OtherBatch,
    OtherRank,
    OtherSize,
    OtherType,
)
from bnlint.tracing.fitting.layer_demands import channels, last_axis, of_loss, several_values
from bnlint.tracing.fitting.watching import Fault

_CONVS = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
_TRANSPOSED = {"conv_transpose1d": 1, "conv_transpose2d": 2, "conv_transpose3d": 3}
_JOINING = ("cat", "concat", "concatenate", "stack", "hstack", "vstack")
_PRODUCTS = {"matmul": 0, "mm": 2, "bmm": 3}
_ELEMENTWISE = frozenset(
    f"{mark}{name}"
    for mark in ("", "i", "r")
    for name in ("add", "sub", "mul", "div", "truediv", "and", "or", "pow")
) | {
    *("eq", "ne", "lt", "le", "gt", "ge", "where", "maximum", "minimum", "lerp", "masked_fill"),
    *("cosine_similarity", "pairwise_distance", "multiply", "subtract", "logical_and"),
}
_LOSSES = frozenset(
    {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "binary_cross_entropy"}
) | {"binary_cross_entropy_with_logits"}
_CLASS_LOSSES = frozenset({"cross_entropy", "nll_loss"})
_EINSUM = re.compile(r"equation \((\d+)\) does not match.*?\((\d+)\) for operand (\d+)")


def of_function(fault: Fault) -> Iterator[Demand]:
    """The demands of a function or tensor method that failed, likeliest first."""
    name = plain_name(name_of(fault.target))
    read = list(tensors((fault.args, dict(fault.kwargs))))
    if not read:
        return
    if is_too_small(fault.text):
        yield Larger(read[0])
    yield from several_values(fault.text, read[0])
    if "of a single element" in fault.text and read[0].ndim:
        yield OtherRank(read[0], -read[0].ndim)
    yield from _types(fault.text, read)
    yield from _ranks(fault, name, read)
    yield from _by_name(fault, name, read)


def _by_name(fault: Fault, name: str, read: list[torch.Tensor]) -> Iterator[Demand]:
    if name in ("view", "reshape"):
        yield from _viewed(fault, read[0])
    elif name in ("split", "split_with_sizes"):
        yield from _split(fault, read[0])
    elif name in _JOINING:
        yield from _joined(fault, name, read)
    elif name == "einsum":
        yield from _summed(fault.args[0], read)
    elif name == "expand_as":
        yield from _expanded(*read[:2])
    elif name in _LOSSES | _CLASS_LOSSES and len(read) > 1:
        yield from of_loss(*read[:2], classes=name in _CLASS_LOSSES)
    elif len(read) > 1:
        yield from _of_two(fault, name, *read[:2])


def _types(text: str, read: list[torch.Tensor]) -> Iterator[Demand]:
    dtype = wanted_type(text)
    if dtype is None:
        return
    ordered = read if dtype.is_floating_point else reversed(read)  # x comes first, an index later
    yield from (OtherType(t, dtype) for t in ordered if t.dtype != dtype)


def _ranks(fault: Fault, name: str, read: list[torch.Tensor]) -> Iterator[Demand]:
    if by := more_axes(fault.text):
        yield OtherRank(read[0], by)
    elif "too many indices" in fault.text and len(fault.args) > 1:
        index = fault.args[1] if isinstance(fault.args[1], tuple) else ()
        used = sum(i is not None and i is not ... for i in index)
        yield OtherRank(read[0], max(1, used - read[0].ndim))
    elif found := _EINSUM.search(fault.text):
        subscripts, dims, operand = map(int, found.groups())
        yield OtherRank(read[operand], subscripts - dims)
    elif name == "pad" and "padding with non-constant" in fault.text:
        yield from _padded(fault, read[0])
    elif name == "stft" and read[0].ndim > 2:
        yield OtherRank(read[0], 2 - read[0].ndim)
    elif rank := _PRODUCTS.get(name):
        yield from (OtherRank(t, rank - t.ndim) for t in read if t.ndim != rank)


def _padded(fault: Fault, x: torch.Tensor) -> Iterator[Demand]:
    """``F.pad(x, (1, 1), "reflect")``: maps with one axis of samples and one of channels."""
    sizes = fault.args[1] if len(fault.args) > 1 else fault.kwargs.get("pad")
    rank = len(sizes) // 2 + 2 if isinstance(sizes, (tuple, list)) else x.ndim
    if x.ndim != rank:
        yield OtherRank(x, rank - x.ndim)


def _viewed(fault: Fault, x: torch.Tensor) -> Iterator[Demand]:
    """``x.view(-1, 784)`` and ``x.view(n, 1, 28, 28)``: so many values for each sample."""
    shape = fault.args[1] if len(fault.args) == 2 else fault.args[1:]
    if not isinstance(shape, (tuple, list)) or not x.ndim:
        return
    sizes = [s for s in shape if isinstance(s, int)]
    own = sizes[1:] if sizes and sizes[0] in (-1, x.shape[0]) else sizes
    values = math.prod(map(abs, own))
    if own is sizes and sizes[:1] > [0] and x.shape[0] != sizes[0] and -1 in sizes:
        yield OtherBatch(x, sizes[0])  # x.view(self.batch_size, -1)
    if -1 not in sizes and sizes[:1] != [x.shape[0]]:  # rows that were points of several samples
        rows, rest = divmod(x.shape[0] * math.prod(sizes), x.numel() or 1)
        if rows and not rest:
            yield OtherSize(x, 0, rows, channels=False)
    if len(sizes) == x.ndim > 2 and sizes[0] == x.shape[0] and min(sizes) > 1:  # axis by axis
        pairs = enumerate(zip(x.shape, sizes, strict=True))
        yield from (OtherSize(x, i, to, channels=False) for i, (size, to) in pairs if size != to)
    if values > 1 and x.ndim > 1:
        yield OtherSize(x, 0, values, flat=True)
    elif own is not sizes and values == 1 < x.ndim:  # labels.view(n, 1)
        yield OtherRank(x, 1 - x.ndim)
    elif 0 in sizes[1:] and x.ndim > 1 and sizes[0] > x.shape[0] > 0 == sizes[0] % x.shape[0]:
        # x.view(b * frames, c // frames, h, w): the frames are joined with the channels
        yield OtherSize(x, 1, x.shape[1] * (sizes[0] // x.shape[0]), channels=False)


def _split(fault: Fault, x: torch.Tensor) -> Iterator[Demand]:
    """``torch.split(x, [63, 27], dim=-1)``: the parts must fill the axis."""
    sizes, *dims = fault.args[1:] or (fault.kwargs.get("split_size_or_sections"),)
    dim = dims[0] if dims else fault.kwargs.get("dim", 0)
    if isinstance(sizes, (tuple, list)) and -x.ndim <= dim < x.ndim:
        yield OtherSize(x, dim % x.ndim, sum(sizes))


def _joined(fault: Fault, name: str, read: list[torch.Tensor]) -> Iterator[Demand]:
    ranks = [t.ndim for t in read]
    if len(set(ranks)) > 1:
        yield from (OtherRank(t, min(ranks) - t.ndim) for t in read if t.ndim > min(ranks))
        yield from (OtherRank(t, max(ranks) - t.ndim) for t in read if t.ndim < max(ranks))
        return
    dim = fault.kwargs.get("dim", fault.args[1] if len(fault.args) > 1 else 0)
    free = dim % ranks[0] if isinstance(dim, int) and ranks[0] and name != "stack" else None
    first = read[0]
    for other in reversed(read[1:]):
        for axis, (a, b) in enumerate(zip(first.shape, other.shape, strict=True)):
            if a != b and axis != free:
                yield from _either(first, axis, other, axis)


def _summed(equation: object, read: list[torch.Tensor]) -> Iterator[Demand]:
    """``einsum("nkctv,kvw->nctw", x, joints)``: a letter has one size throughout."""
    sides = equation.replace(" ", "").split("->") if isinstance(equation, str) else ["..."]
    operands = sides[0].split(",")
    if "." in sides[0] or [len(letters) for letters in operands] != [t.ndim for t in read]:
        return
    first: dict[str, tuple[torch.Tensor, int]] = {}
    for letters, tensor in zip(operands, read, strict=True):
        for axis, letter in enumerate(letters):
            other, place = first.setdefault(letter, (tensor, axis))
            if other.shape[place] != tensor.shape[axis]:
                yield from _either(other, place, tensor, axis)


def _of_two(fault: Fault, name: str, a: torch.Tensor, b: torch.Tensor) -> Iterator[Demand]:
    """A convolution or product with a weight, or two tensors that are added or compared."""
    if name in _CONVS:
        groups = fault.args[6] if len(fault.args) > 6 else fault.kwargs.get("groups", 1)
        yield from channels(a, b.shape[1] * groups, _CONVS[name])
    elif name in _TRANSPOSED:
        yield from channels(a, b.shape[0], _TRANSPOSED[name])
    elif name == "linear":
        yield from last_axis(a, b.shape[-1])
    elif name in _PRODUCTS and a.ndim and b.ndim:
        inner = max(b.ndim - 2, 0)
        if a.shape[-1] != b.shape[inner]:
            yield from _either(a, a.ndim - 1, b, inner)
    if name in _ELEMENTWISE or name in _PRODUCTS:
        skipped = 2 if name in _PRODUCTS else 0
        for i in range(1 + skipped, min(a.ndim, b.ndim) + 1):
            if a.shape[-i] != b.shape[-i] and 1 not in (a.shape[-i], b.shape[-i]):
                yield from _either(a, a.ndim - i, b, b.ndim - i)
    if name in _ELEMENTWISE:
        yield from _without_samples(*sorted((a, b), key=lambda t: t.ndim))


def _without_samples(low: torch.Tensor, high: torch.Tensor) -> Iterator[Demand]:
    """A mask whose axis of samples meets another axis: it lacks one between, or more."""
    if 0 < low.ndim < high.ndim and low.shape[0] == high.shape[0] != high.shape[-low.ndim]:
        yield OtherRank(low, high.ndim - low.ndim)


def _expanded(weight: torch.Tensor, x: torch.Tensor) -> Iterator[Demand]:
    """``weight.expand_as(x)``: an axis has the same size in both; a mask is an input itself."""
    for i in range(1, min(weight.ndim, x.ndim) + 1):
        if weight.shape[-i] not in (1, x.shape[-i]):
            yield OtherSize(weight, weight.ndim - i, x.shape[-i], channels=False)
            yield OtherSize(x, x.ndim - i, weight.shape[-i])


def _either(a: torch.Tensor, i: int, b: torch.Tensor, j: int) -> Iterator[Demand]:
    yield OtherSize(b, j, a.shape[i], channels=False)
    yield OtherSize(a, i, b.shape[j], channels=False)
