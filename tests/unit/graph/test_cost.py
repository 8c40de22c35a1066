"""Parameters, multiply-adds and activations, compared with what is counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import bnlint
from bnlint.domain.model_cost import ModelCost
from bnlint.graph.cost import cost_of


def cost(model: nn.Module, *shape: int) -> ModelCost:
    return cost_of(bnlint.trace(model, torch.zeros(shape)))


class Product(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.einsum("bij,bkj->bik", x, x) @ x


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.inner(x, x, x)[0]


COUNTS = {
    "conv": (nn.Conv2d(3, 8, 3, groups=1), (2, 3, 6, 6), 2 * 8 * 4 * 4 * 27),
    "depthwise": (nn.Conv2d(4, 4, 3, groups=4), (1, 4, 6, 6), 4 * 4 * 4 * 9),
    "transposed": (nn.ConvTranspose2d(3, 8, 2, 2), (1, 3, 4, 4), 3 * 4 * 4 * 8 * 4),
    "linear": (nn.Linear(5, 7), (2, 3, 5), 2 * 3 * 5 * 7),
    "recurrent": (nn.LSTM(4, 6, batch_first=True), (2, 5, 4), 2 * 5 * (4 * 6 * 4 + 4 * 6 * 6)),
    "product": (Product(), (2, 3, 4), 2 * 3 * 3 * 4 * 2),
    "attention": (Attention(), (2, 5, 8), 2 * (4 * 5 * 64 + 2 * 5 * 5 * 8)),
    "none": (nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), (1, 3, 4, 4), 0),
}


@pytest.mark.parametrize(("model", "shape", "count"), COUNTS.values(), ids=COUNTS)
def test_multiply_adds(model: nn.Module, shape: tuple[int, ...], count: int) -> None:
    assert cost(model, *shape).multiply_adds == count


def test_tied_frozen_and_unused_parameters() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
            self.b.weight = self.a.weight
            self.spare = nn.Linear(2, 2, bias=False)
            self.fixed = nn.Linear(4, 4, bias=False).requires_grad_(False)

        def forward(self, x: Any) -> Any:
            return self.fixed(self.b(self.a(x)))

    found = cost(Net(), 1, 4)
    assert (found.parameters, found.trainable, found.tied, found.unused) == (36, 20, 16, 4)


def test_views_and_in_place_results_take_no_memory() -> None:
    plain = cost(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), 2, 4)
    inplace = cost(nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Flatten()), 2, 4)
    assert (plain.activation_bytes, inplace.activation_bytes) == (64, 32)


def test_what_cannot_be_counted_is_named() -> None:
    encoder = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    found = cost(encoder, 1, 3, 8)
    assert found.uncounted == ("0",)
    assert found.layers[0].multiply_adds is None


class Outside(nn.Module):
    """Its layers are in a plain list, so their weights are not the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = [nn.Conv1d(2, 2, 1), nn.LSTM(4, 4)]

    def forward(self, x: torch.Tensor) -> Any:
        return self.hidden[1](self.hidden[0](x))[0]


def test_a_layer_that_is_not_registered_is_not_counted() -> None:
    found = cost(Outside(), 1, 2, 4)
    assert found.uncounted == ("hidden[0]", "hidden[1]")
    assert found.multiply_adds is None


def test_a_layer_that_forward_builds_has_no_weight_to_count_with() -> None:
    class Net(nn.Module):
        def forward(self, x: Any) -> Any:
            return nn.Linear(4, 4)(nn.Conv1d(3, 3, 1)(x))

    found = cost(Net(), 1, 3, 4)
    assert found.uncounted == ("<Conv1d 0>",)
    assert found.layers[-1].multiply_adds == 3 * 4 * 4
