"""Every shape rule against the real operation on the CPU, for shapes that fit and that do not."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from bnlint.layers.shapes import quick

SIZES = st.integers(1, 9)


def real(target: Any, *args: Any, **kwargs: Any) -> torch.Size | None:
    """The shape of the real result; None where the operation raises."""
    try:
        with torch.no_grad():
            result = (
                getattr(args[0], target)(*args[1:], **kwargs)
                if isinstance(target, str)
                else target(*args, **kwargs)
            )
    except (RuntimeError, ValueError):
        return None
    return result.shape


def agrees(target: Any, *args: Any, **kwargs: Any) -> bool:
    """True when a rule was sure; fails when it and the real operation differ."""

    def bare(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to("meta")
        return type(value)(map(bare, value)) if isinstance(value, (list, tuple)) else value

    expected = real(target, *args, **kwargs)
    try:
        found = quick(target, tuple(map(bare, args)), kwargs)
    except (RuntimeError, ValueError):
        assert expected is None
        return True
    if found is None:
        return False
    assert expected is not None
    assert found.shape == expected
    assert found.is_meta
    return True


def tensor(*shape: int) -> torch.Tensor:
    return torch.zeros(shape)


@settings(max_examples=150, deadline=None)
@given(
    rank=st.integers(1, 3),
    channels=st.sampled_from([2, 4]),
    given_channels=st.sampled_from([2, 4]),
    size=SIZES,
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.sampled_from([0, 1, 2, "same", "valid"]),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    batched=st.booleans(),
)
def test_convolutions(
    rank: int,
    channels: int,
    given_channels: int,
    size: int,
    kernel: int,
    stride: int,
    padding: Any,
    dilation: int,
    groups: int,
    batched: bool,
) -> None:
    if padding == "same":
        stride = 1
    made = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
    layer = made(channels, 4, kernel, stride, padding, dilation, groups)
    x = tensor(*((2,) if batched else ()), given_channels, *(size,) * rank)
    assert agrees(layer, x)


@settings(max_examples=60, deadline=None)
@given(
    rank=st.integers(1, 3),
    size=SIZES,
    kernel=st.integers(1, 3),
    stride=st.integers(2, 3),
    padding=st.integers(0, 1),
    extra=st.integers(0, 1),
)
def test_transposed_convolutions(
    rank: int, size: int, kernel: int, stride: int, padding: int, extra: int
) -> None:
    made = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[rank - 1]
    layer = made(3, 4, kernel, stride, padding, extra)
    agrees(layer, tensor(2, 3, *(size,) * rank))


@settings(max_examples=150, deadline=None)
@given(
    made=st.sampled_from([nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool2d, nn.MaxPool3d, nn.AvgPool1d]),
    size=SIZES,
    kernel=st.integers(1, 4),
    stride=st.sampled_from([None, 1, 2, 3]),
    padding=st.integers(0, 2),
    ceil=st.booleans(),
)
def test_pools(made: Any, size: int, kernel: int, stride: Any, padding: int, ceil: bool) -> None:
    padding = min(padding, kernel // 2)
    layer = made(kernel, stride, padding, ceil_mode=ceil)
    rank = int(made.__name__[-2])
    assert agrees(layer, tensor(2, 3, *(size,) * rank))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(4, 5), (2, 4)),
        (nn.Linear(4, 5), (2, 3, 4)),
        (nn.Linear(4, 5), (2, 3)),
        (nn.BatchNorm1d(4), (2, 4)),
        (nn.BatchNorm1d(4), (2, 4, 3)),
        (nn.BatchNorm1d(4), (2, 4, 3, 3)),
        (nn.BatchNorm1d(4), (1, 4)),
        (nn.BatchNorm2d(4), (2, 4, 3, 3)),
        (nn.BatchNorm2d(4), (2, 5, 3, 3)),
        (nn.BatchNorm2d(4), (2, 4)),
        (nn.BatchNorm3d(4), (2, 4, 3, 3, 3)),
        (nn.InstanceNorm2d(4), (2, 4, 3, 3)),
        (nn.InstanceNorm2d(4, affine=True), (2, 5, 3, 3)),
        (nn.LayerNorm(4), (2, 3, 4)),
        (nn.LayerNorm((3, 4)), (2, 3, 4)),
        (nn.LayerNorm(4), (2, 3, 5)),
        (nn.GroupNorm(2, 4), (2, 4, 3)),
        (nn.GroupNorm(2, 4), (2, 6, 3)),
        (nn.AdaptiveAvgPool2d(1), (2, 3, 7, 7)),
        (nn.AdaptiveAvgPool2d((None, 2)), (2, 3, 7, 7)),
        (nn.AdaptiveMaxPool1d(2), (2, 3, 7)),
        (nn.ReLU(inplace=True), (2, 3)),
        (nn.Softmax(dim=1), (2, 3)),
        (nn.Dropout(0.3), (2, 3)),
        (nn.Identity(), (2, 3)),
    ],
)
def test_layers(layer: nn.Module, shape: tuple[int, ...]) -> None:
    assert agrees(layer, tensor(*shape))


@settings(max_examples=150, deadline=None)
@given(
    target=st.sampled_from(
        [torch.add, torch.mul, operator.add, operator.truediv, "add", "mul", operator.iadd, "add_"]
    ),
    a=st.lists(st.integers(1, 3), max_size=3),
    b=st.one_of(st.lists(st.integers(1, 3), max_size=3), st.just(2.0)),
)
def test_binary(target: Any, a: list[int], b: Any) -> None:
    other = b if isinstance(b, float) else tensor(*b)
    assert agrees(target, tensor(*a), other)


@settings(max_examples=80, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(1, 3), min_size=2, max_size=2), min_size=1, max_size=3),
    dim=st.integers(-2, 1),
)
def test_concatenation(shapes: list[list[int]], dim: int) -> None:
    assert agrees(torch.cat, [tensor(*s) for s in shapes], dim)


@pytest.mark.parametrize("dim", [0, -1, (2, 3), [2], (-2, -1)])
@pytest.mark.parametrize("keepdim", [True, False])
def test_means(dim: Any, keepdim: bool) -> None:
    assert agrees("mean", tensor(2, 3, 4, 5), dim, keepdim=keepdim)


@pytest.mark.parametrize("function", [F.relu, torch.sigmoid, F.gelu, F.dropout, torch.exp, F.silu])
def test_unary(function: Any) -> None:
    assert agrees(function, tensor(2, 3))


UNARY = [torch.neg, torch.rsqrt, torch.square, torch.sin, torch.cos, torch.abs]


@pytest.mark.parametrize("function", UNARY)
def test_unary_of_torch(function: Any) -> None:
    assert agrees(function, tensor(2, 3))
    assert not agrees(function, tensor(2, 3).long())


@pytest.mark.parametrize("exponent", [2, 0.5, -1])
def test_powers(exponent: float) -> None:
    assert agrees(torch.pow, tensor(2, 3), exponent)
    assert agrees("__pow__", tensor(2, 3), exponent)
    assert not agrees(torch.pow, tensor(2, 3), tensor(3))


def test_masks() -> None:
    mask = tensor(3, 1) > 0
    assert agrees("__invert__", mask)
    assert agrees(torch.logical_not, mask)
    assert not agrees(torch.logical_not, tensor(2))
    assert agrees("masked_fill", tensor(2, 3, 4), mask, -1e9)
    assert agrees("masked_fill", tensor(4), mask, -1e9)
    assert not agrees("masked_fill", tensor(2, 3, 4), mask, tensor())
    agrees("masked_fill", tensor(2, 5, 4), mask, 0.0)


def test_unsure() -> None:
    """Where a rule is not sure, the operation runs."""

    class Own(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)[:, :1]

    hooked = nn.ReLU()
    hooked.register_forward_hook(lambda module, args, result: result[:1])
    x = torch.zeros(2, 3, 8, 8, device="meta")
    assert quick(Own(3, 4, 3), (x,), {}) is None
    assert quick(hooked, (x,), {}) is None
    assert quick(torch.add, (x, x.long()), {}) is None
    assert quick(nn.LazyConv2d(4, 3), (x,), {}) is None
    assert quick(torch.sigmoid, (x.long(),), {}) is None
    assert quick(torch.dropout, (x,), {"p": 0.5, "train": False}) is None


def test_the_rank_of_a_pool_is_that_of_its_class_in_torch() -> None:
    class Pool3x(nn.MaxPool2d):
        """No forward of its own."""

    assert agrees(Pool3x(2), tensor(2, 3, 8, 8))


def test_embedding() -> None:
    assert agrees(nn.Embedding(5, 4), torch.zeros(2, 3, dtype=torch.long))


@settings(max_examples=80, deadline=None)
@given(
    queries=SIZES,
    keys=st.tuples(SIZES, SIZES),
    widths=st.tuples(st.integers(1, 3), st.integers(1, 3), SIZES),
    heads=st.sampled_from([(2,), (2, 3)]),
    mask=st.sampled_from([None, (), (1,), (2, 1, 1), (2, 3, 1, 1), (5, 5)]),
)
def test_attention(queries: int, keys: Any, widths: Any, heads: Any, mask: Any) -> None:
    sizes = zip((queries, *keys), widths, strict=True)
    q, k, v = (tensor(*heads, rows, width) for rows, width in sizes)
    given_mask = None if mask is None else tensor(*mask)
    agrees(F.scaled_dot_product_attention, q, k, v, given_mask, dropout_p=0.5)


def test_attention_is_sure_of_what_fits() -> None:
    q, k = tensor(2, 3, 5, 4), tensor(2, 3, 7, 4)
    for mask in (None, tensor(5, 7), tensor(2, 1, 1, 7)):
        assert agrees(F.scaled_dot_product_attention, q, k, tensor(2, 3, 7, 6), mask)


@pytest.mark.skipif(
    "enable_gqa" not in F.scaled_dot_product_attention.__doc__, reason="needs torch 2.5"
)
@pytest.mark.parametrize("heads", [1, 2, 3, 4])
def test_grouped_attention(heads: int) -> None:
    q, grouped = tensor(2, 4, 5, 4), tensor(2, heads, 7, 4)
    sure = agrees(F.scaled_dot_product_attention, q, grouped, grouped, enable_gqa=True)
    assert sure is (4 % heads == 0)
    assert not agrees(F.scaled_dot_product_attention, q, tensor(2, 1, 7, 4), grouped)


@pytest.mark.parametrize("layer", [nn.Conv1d(4, 4, (1, 3)), nn.ConvTranspose1d(4, 4, (1, 3))])
def test_a_window_of_other_axes_than_the_layer_is_left_to_torch(layer: nn.Module) -> None:
    assert quick(layer, (torch.empty(2, 4, 5, 6, device="meta"),), {}) is None


def shapes(value: Any) -> Any:
    """The shapes of all tensors in a result, in its containers."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    return tuple(map(shapes, value))


@settings(max_examples=120, deadline=None)
@given(
    kind=st.sampled_from([nn.RNN, nn.GRU, nn.LSTM]),
    layers=st.integers(1, 3),
    both=st.booleans(),
    first=st.booleans(),
    batched=st.booleans(),
    with_state=st.booleans(),
    projected=st.booleans(),
    features=st.sampled_from([3, 5]),
)
def test_recurrent_layers(
    kind: Any,
    layers: int,
    both: bool,
    first: bool,
    batched: bool,
    with_state: bool,
    projected: bool,
    features: int,
) -> None:
    more = {"proj_size": 2} if projected and kind is nn.LSTM else {}
    layer = kind(3, 4, layers, batch_first=first, bidirectional=both, **more)
    x = tensor(*((7, 2) if batched else (7,)), features)
    state = [tensor(layers * (1 + both), *(((7, 2)[not first],) if batched else ()), 4)]
    if more:
        state.insert(0, tensor(*state[0].shape[:-1], 2))
    elif kind is nn.LSTM:
        state *= 2
    given_state = (tuple(state) if len(state) > 1 else state[0],) if with_state else ()
    bare = torch.utils._pytree.tree_map(lambda t: t.to("meta"), (x, *given_state))
    found = quick(layer.to("meta"), bare, {})
    if features != 3:
        assert found is None  # the layer itself says what is wrong
        return
    real_layer = kind(3, 4, layers, batch_first=first, bidirectional=both, **more)
    assert shapes(found) == shapes(real_layer(x, *given_state))


def test_a_recurrent_layer_takes_packed_sequences() -> None:
    layer = nn.LSTM(3, 4, bidirectional=True)
    for ordered in (True, False):
        packed = nn.utils.rnn.pack_padded_sequence(
            tensor(7, 2, 3), torch.tensor([7, 4]), enforce_sorted=ordered
        )
        bare = packed._replace(data=packed.data.to("meta"))
        output, state = quick(layer, (bare,), {})
        expected, last = layer(packed)
        assert shapes((output.data, state)) == shapes((expected.data, last))
        assert output.batch_sizes is bare.batch_sizes


def test_a_state_of_another_shape_is_left_to_the_layer() -> None:
    x, state = torch.empty(7, 2, 3, device="meta"), torch.empty(1, 3, 4, device="meta")
    assert quick(nn.GRU(3, 4), (x, state), {}) is None


def test_the_length_of_a_sequence_costs_nothing() -> None:
    x = torch.empty(1 << 20, 2, 3, device="meta")
    output, _ = quick(nn.GRU(3, 4), (x,), {})
    assert output.shape == (1 << 20, 2, 4)
