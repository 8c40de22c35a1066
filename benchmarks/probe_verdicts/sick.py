"""Nets that do not train, each with one fault of a known kind, and the metrics that name it.

All but a few are probed on given data: 300 samples of eight classes that a healthy net learns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

COUNT, CLASSES, WIDTH = 300, 8, 32


@dataclass(frozen=True)
class Sick:
    """A model, what it is probed with, and the names of metrics that are the cause."""

    model: nn.Module
    data: Any
    causes: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


Maker = Callable[[], Sick]
SICK: dict[str, Maker] = {}


def case(make: Maker) -> Maker:
    """Registers a net by the name of its function."""
    SICK[make.__name__.replace("_", " ")] = make
    return make


def rows(width: int = WIDTH) -> tuple[Tensor, Tensor]:
    """Standardized features with a class each."""
    y = torch.randint(CLASSES, (COUNT,))
    x = torch.randn(CLASSES, width)[y] + 0.7 * torch.randn(COUNT, width)
    return (x - x.mean(0)) / x.std(0), y


def images(size: int = 16) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) with a class each."""
    y = torch.randint(CLASSES, (COUNT,))
    x = torch.randn(CLASSES, 3, size, size)[y] + 0.7 * torch.randn(COUNT, 3, size, size)
    return x, y


def tokens(length: int = 12, words: int = 50) -> tuple[Tensor, Tensor]:
    """Sequences of words with a class each."""
    y = torch.randint(CLASSES, (COUNT,))
    return (torch.randint(words, (COUNT, length)) + y[:, None]) % words, y


def mlp(depth: int = 4, act: type[nn.Module] = nn.ReLU, width: int = 64) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(depth):
        layers += [nn.Linear(WIDTH if number == 0 else width, width), act()]
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def cnn(norm: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 32)):
        layers += [nn.Conv2d(before, after, 3, padding=1)]
        layers += [nn.BatchNorm2d(after)] if norm else []
        layers += [nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))


def loss() -> dict[str, Any]:
    return {"loss": functional.cross_entropy}


@torch.no_grad()
def scaled(model: nn.Module, factor: float) -> nn.Module:
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.weight *= factor
    return model


@case
def dead_relu_by_bias() -> Sick:
    net = mlp()
    nn.init.constant_(net[2].bias, -50.0)
    return Sick(net, rows(), ("dead-layer",), loss())


@case
def half_dead_by_bias() -> Sick:
    net = mlp()
    with torch.no_grad():
        net[2].bias[:48] = -50.0
    return Sick(net, rows(), ("dead-units",), loss())


@case
def weights_after_a_learning_rate_of_30() -> Sick:
    net, (x, y) = mlp(), rows()
    optimizer = torch.optim.SGD(net.parameters(), lr=30.0)
    for _ in range(4):
        optimizer.zero_grad()
        functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return Sick(net, (x, y), ("scale", "dead-layer", "dead-units", "non-finite"), loss())


@case
def tiny_initialization() -> Sick:
    net = mlp(8)
    for layer in net[::2]:
        nn.init.normal_(layer.weight, std=1e-3)
        nn.init.zeros_(layer.bias)
    return Sick(net, rows(), ("scale",), loss())


@case
def tiny_initialization_with_biases() -> Sick:
    net = mlp(8)
    for layer in net[::2]:
        nn.init.normal_(layer.weight, std=1e-2)
    return Sick(net, rows(), ("signal-collapse", "scale"), loss())


@case
def huge_initialization() -> Sick:
    net = mlp(6)
    for layer in net[::2]:
        nn.init.normal_(layer.weight, std=2.0)
    return Sick(net, rows(), ("scale", "gradient-explosion"), loss())


@case
def saturated_sigmoids() -> Sick:
    net = mlp(3, nn.Sigmoid)
    for layer in net[:-1:2]:
        nn.init.normal_(layer.weight, std=3.0)
    return Sick(net, rows(), ("saturation",), loss())


@case
def saturated_tanh() -> Sick:
    net = mlp(4, nn.Tanh)
    for layer in net[:-1:2]:
        nn.init.normal_(layer.weight, std=1.0)
    return Sick(net, rows(), ("saturation",), loss())


@case
def deep_sigmoids() -> Sick:
    return Sick(mlp(10, nn.Sigmoid), rows(), ("signal-collapse", "gradient-vanishing"), loss())


@case
def thirty_layers_without_a_norm() -> Sick:
    return Sick(mlp(30), rows(), ("signal-collapse", "gradient-vanishing"), loss())


@case
def twenty_convolutions_without_a_norm() -> Sick:
    layers: list[nn.Module] = []
    for number in range(20):
        layers += [nn.Conv2d(3 if number == 0 else 16, 16, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))
    return Sick(net, images(), ("signal-collapse", "gradient-vanishing"), loss())


class Attention(nn.Module):
    """A classifier of tokens with attention written out."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 32)
        self.query, self.key, self.value = (nn.Linear(32, 32) for _ in range(3))
        self.head = nn.Linear(32, CLASSES)
        self.dim = dim

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        scores = self.query(x) @ self.key(x).transpose(1, 2) / math.sqrt(32)
        return self.head((torch.softmax(scores, self.dim) @ self.value(x)).mean(1))


@case
def attention_softmax_over_the_batch() -> Sick:
    return Sick(Attention(dim=0), tokens(), ("sample-leak",), loss())


class SequenceFirst(nn.Module):
    """A transformer that takes dimension 0 for the sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 32)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64), 2)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(ids)).mean(1))


@case
def transformer_without_batch_first() -> Sick:
    return Sick(SequenceFirst(), tokens(), ("sample-leak",), loss())


class Positions(nn.Module):
    """Positions are added along the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 32), nn.Linear(32, CLASSES)
        self.mix = nn.LSTM(32, 32)
        self.act = nn.ReLU()

    def forward(self, ids: Tensor) -> Tensor:
        out, _ = self.mix(self.embed(ids).flip(0))
        return self.head(self.act(out.flip(0)).mean(1))


@case
def lstm_along_the_batch() -> Sick:
    return Sick(Positions(), tokens(), ("sample-leak",), loss())


class Standardized(nn.Module):
    """Inputs are standardized by the current batch, also in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(functional.normalize(x, dim=0) * math.sqrt(len(x)))


@case
def normalize_over_the_batch() -> Sick:
    return Sick(Standardized(), rows(), ("sample-leak",), loss())


class AlwaysDropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, 64), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(functional.dropout(functional.relu(self.one(x)), 0.5))


@case
def dropout_in_evaluation() -> Sick:
    return Sick(AlwaysDropped(), rows(), ("random-in-eval",), loss())


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = mlp(2), mlp(2)
        self.head = nn.Linear(2 * CLASSES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([self.left(x).detach(), self.right(x)], 1))


@case
def detached_branch() -> Sick:
    return Sick(Detached(), rows(), ("no-gradient",), loss())


class Overwritten(nn.Module):
    """The second layer reads the input, so the first is for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 64)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.relu(self.one(x))
        h = functional.relu(self.two(x))
        return self.head(h)


@case
def result_of_a_layer_unread() -> Sick:
    return Sick(Overwritten(), rows(), ("no-gradient",), loss())


class Halves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(16, 32), nn.Linear(16, 32)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.left(x[:, :16]), self.right(x[:, :16])], 1)
        return self.head(functional.relu(both))


@case
def unused_half_of_the_input() -> Sick:
    return Sick(Halves(), rows(), ("unread-features",), loss())


@case
def inputs_from_0_to_255() -> Sick:
    x, y = images()
    x = ((x - x.min()) / (x.max() - x.min()) * 255).round()
    return Sick(cnn(norm=False), (x, y), ("input-scale",), loss())


class Written(nn.Module):
    """A small net with one more function before its last layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, 64), nn.Linear(64, CLASSES)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.function(functional.relu(self.one(x))))


@case
def logarithm_of_zero() -> Sick:
    return Sick(Written(torch.log), rows(), ("non-finite",), loss())


@case
def root_of_zero_in_the_backward() -> Sick:
    return Sick(Written(lambda h: (h - h[:, :1]).square().sqrt()), rows(), ("non-finite",), loss())


@case
def division_by_zero() -> Sick:
    return Sick(Written(lambda h: h / h.amin(1, keepdim=True)), rows(), ("non-finite",), loss())


@case
def weight_that_is_nan() -> Sick:
    net = mlp()
    with torch.no_grad():
        net[4].weight[3, 3] = float("nan")
    return Sick(net, rows(), ("non-finite",), loss())


@case
def statistics_of_other_data() -> Sick:
    net, (x, y) = cnn(), images()
    net.train()
    for _ in range(120):
        net(x[:16] * 3 + 2)
    return Sick(net, (x, y), ("norm-drift", "train-eval-gap"), loss())


@case
def momentum_of_another_library() -> Sick:
    net, (x, y) = cnn(), images()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.001
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5)
            module.num_batches_tracked.fill_(200)
    return Sick(net, (3 * x + 1, y), ("norm-drift", "train-eval-gap"), loss())


@case
def frozen_norms_that_move() -> Sick:
    net, data = cnn(), images()
    for layer in net[:-1]:
        layer.requires_grad_(False)
    return Sick(net, data, ("frozen-norm-moves",), loss())


@case
def constant_initialization() -> Sick:
    net = mlp()
    for layer in net[::2]:
        nn.init.constant_(layer.weight, 0.05)
        nn.init.zeros_(layer.bias)
    return Sick(net, rows(), ("identical-units",), loss())


@case
def labels_from_1() -> Sick:
    x, y = rows()
    return Sick(mlp(), (x, y + 1), ("outputs-against-labels",), loss())


@case
def channels_last_images() -> Sick:
    x, y = images()
    return Sick(cnn(), (x.permute(0, 2, 3, 1).contiguous(), y), ("input-layout",), loss())


class Discriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        norm = torch.nn.utils.spectral_norm
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 64)):
            layers += [norm(nn.Conv2d(before, after, 3, 2, 1)), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.head = norm(nn.Linear(256, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


@case
def old_spectral_norm() -> Sick:
    return Sick(Discriminator(), images(), ("first-evaluation",), loss())


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = cnn()[:-1]
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.requires_grad_() if x.is_leaf else x
        return self.head(checkpoint(self.body, x, use_reentrant=False))


@case
def batch_norm_in_a_checkpoint() -> Sick:
    return Sick(Checkpointed(), images(), ("statistics-updated-twice",), loss())


class Squeezed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = cnn()[:-3], nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.adaptive_avg_pool2d(self.body(x), 1).squeeze())


@case
def squeeze_of_the_batch() -> Sick:
    return Sick(Squeezed(), images(), ("batch-of-one",), loss())


class Tied(nn.Module):
    """A language model whose outputs are tied to an embedding of deviation 1."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(500, 256)
        self.body = nn.Sequential(nn.LayerNorm(256), nn.Linear(256, 256), nn.LayerNorm(256))
        self.head = nn.Linear(256, 500, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.body(self.embed(ids)))


@case
def tied_embedding_of_deviation_1() -> Sick:
    ids = torch.randint(500, (COUNT, 6))
    return Sick(Tied(), (ids, ids), ("initial-loss",), {"untrained": True})


@case
def layer_norm_of_constant_groups() -> Sick:
    net = mlp()
    x, y = rows()
    normed = nn.Sequential(nn.LayerNorm(WIDTH), *net)
    return Sick(normed, (1 + 1e-4 * x, y), ("norm-low-variance", "signal-collapse"), loss())


@case
def constant_input() -> Sick:
    x, y = rows()
    return Sick(mlp(), (torch.ones_like(x), y), ("input-scale",), loss())
