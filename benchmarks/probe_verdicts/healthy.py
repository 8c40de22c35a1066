"""Nets that are fine as they are: of well-known libraries, and small ones of many kinds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.probe_verdicts.sick import CLASSES, WIDTH, images, mlp, rows, tokens

Made = tuple[nn.Module, Any, dict[str, Any]]
"""A model, data (None for noise), and options of the probe."""

HEALTHY: dict[str, Callable[[], Made]] = {}


def small(make: Callable[[], Made]) -> Callable[[], Made]:
    """Registers a net by the name of its function."""
    HEALTHY[make.__name__.replace("_", " ")] = make
    return make


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(60, 32)
        self.lstm = nn.LSTM(32, 32, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.lstm(self.embed(ids))[0])


@small
def lstm_tagger() -> Made:
    return Tagger(), tokens(), {}


class Gru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru = nn.Embedding(60, 32), nn.GRU(32, 32, batch_first=True)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.gru(self.embed(ids))[1][-1])


@small
def gru_classifier() -> Made:
    return Gru(), tokens(), {"loss": functional.cross_entropy}


class Cells(nn.Module):
    """An LSTM written out: its gates are sigmoids and a tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.h, self.head = nn.Linear(8, 128), nn.Linear(32, 128), nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), 32)
        for step in x.unflatten(1, (4, 8)).unbind(1):
            i, f, g, o = (self.x(step) + self.h(h)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.head(h)


@small
def lstm_written_out() -> Made:
    return Cells(), rows(), {"loss": functional.cross_entropy}


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(60, 32)
        self.positions = nn.Parameter(torch.randn(1, 12, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(ids) + self.positions).mean(1))


@small
def transformer_encoder() -> Made:
    return Transformer(), tokens(), {"loss": functional.cross_entropy}


class Causal(nn.Module):
    """A decoder with a mask of -inf."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attention = nn.Embedding(60, 32), nn.MultiheadAttention(32, 4)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 60)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids).transpose(0, 1)
        mask = torch.full((len(x), len(x)), -math.inf).triu(1)
        x = x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0]
        return self.head(self.norm(x)).transpose(0, 1)


@small
def causal_attention() -> Made:
    return Causal(), tokens()[0], {}


class Vae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU())
        self.mean, self.deviation = nn.Linear(64, 8), nn.Linear(64, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, WIDTH))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.encoder(x)
        mean, log = self.mean(h), self.deviation(h)
        return self.decoder(mean + torch.randn_like(mean) * (log / 2).exp()), mean, log


@small
def vae() -> Made:
    return Vae(), rows()[0], {}


@small
def gan_generator() -> Made:
    net = nn.Sequential(
        nn.ConvTranspose2d(16, 32, 4, bias=False), nn.BatchNorm2d(32), nn.ReLU(True),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
        nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    return net, torch.randn(64, 16, 1, 1), {}


@small
def gan_discriminator() -> Made:
    norm = torch.nn.utils.parametrizations.spectral_norm
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 64)):
        layers += [norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 1)), images()[0], {}


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        def block(a: int, b: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.GroupNorm(4, b), nn.SiLU())

        self.down, self.deep, self.up = block(3, 16), block(16, 32), block(48, 16)
        self.out = nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.down(x)
        two = self.deep(functional.max_pool2d(one, 2))
        return self.out(self.up(torch.cat([one, functional.interpolate(two, scale_factor=2)], 1)))


@small
def u_net() -> Made:
    return UNet(), images()[0], {}


class Detector(nn.Module):
    """A head with priors: classes start rare, boxes start at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        )  # fmt: skip
        self.classes, self.boxes = nn.Conv2d(32, 9, 3, padding=1), nn.Conv2d(32, 4, 3, padding=1)
        for layer in (self.classes, self.boxes):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.classes.bias, -math.log(99))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        return self.classes(h), self.boxes(h).exp()


@small
def detection_head() -> Made:
    return Detector(), images()[0], {}


@small
def selu_net() -> Made:
    net = mlp(8, nn.SELU)
    for layer in net[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        nn.init.zeros_(layer.bias)
    return net, rows(), {"loss": functional.cross_entropy}


@small
def gelu_net() -> Made:
    return mlp(3, nn.GELU), rows(), {"loss": functional.cross_entropy}


@small
def tanh_net() -> Made:
    net = mlp(4, nn.Tanh)
    for layer in net[::2]:
        nn.init.xavier_normal_(layer.weight, 5 / 3)
    return net, rows(), {"loss": functional.cross_entropy}


@small
def hardswish_net() -> Made:
    return mlp(3, nn.Hardswish), rows(), {"loss": functional.cross_entropy}


@small
def hardtanh_within_its_range() -> Made:
    net = mlp(3, nn.Hardtanh)
    return net, rows(), {"loss": functional.cross_entropy}


class Gated(nn.Module):
    """Squeeze and excitation, a gated unit, and a highway that starts closed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.squeeze, self.excite = nn.Linear(32, 8), nn.Linear(8, 32)
        self.glu, self.carry = nn.Linear(32, 64), nn.Linear(32, 32)
        self.head = nn.Linear(32, CLASSES)
        nn.init.constant_(self.carry.bias, -3.0)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.conv(x)))
        s = x.mean((2, 3))
        x = x * torch.sigmoid(self.excite(functional.relu(self.squeeze(s))))[:, :, None, None]
        h = x.mean((2, 3))
        gate = torch.sigmoid(self.carry(h))
        return self.head(gate * functional.glu(self.glu(h)) + (1 - gate) * h)


@small
def gates() -> Made:
    return Gated(), images(), {"loss": functional.cross_entropy}


@small
def gates_on_noise() -> Made:
    return Gated(), None, {"inputs": "64x3x32x32"}


class Residual(nn.Module):
    """Residual branches that start at zero: a zero gamma, a scalar gate, a zero layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(WIDTH, 64)
        self.one = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(),
                                 nn.Linear(64, 64), nn.BatchNorm1d(64))  # fmt: skip
        self.two = nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64))
        self.gate = nn.Parameter(torch.zeros(1))
        self.three = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
        self.head = nn.Linear(64, CLASSES)
        nn.init.zeros_(self.one[-1].weight)
        nn.init.zeros_(self.three[-1].weight)
        nn.init.zeros_(self.three[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        x = functional.relu(x + self.one(x))
        x = x + self.gate.tanh() * self.two(x)
        return self.head(x + self.three(x))


@small
def zero_initialized_residuals() -> Made:
    return Residual(), rows(), {"loss": functional.cross_entropy}


class FrozenBackbone(nn.Module):
    """The backbone is frozen, and train() leaves it in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
        self.backbone.requires_grad_(False)
        self.head = nn.Linear(16, CLASSES)

    def train(self, mode: bool = True) -> FrozenBackbone:
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x).mean((2, 3)))


@small
def frozen_backbone() -> Made:
    return FrozenBackbone(), images(), {"loss": functional.cross_entropy}


@small
def trained_net() -> Made:
    net, (x, y) = mlp(3), rows()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net, (x, y), {"loss": functional.cross_entropy}


@small
def trained_batch_norm_net() -> Made:
    net, (x, y) = nn.Sequential(nn.Linear(WIDTH, 64), nn.BatchNorm1d(64), nn.ReLU(),
                                nn.Linear(64, CLASSES)), rows()  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for step in range(150):
        part = slice(step % 4 * 64, step % 4 * 64 + 64)
        optimizer.zero_grad()
        functional.cross_entropy(net(x[part]), y[part]).backward()
        optimizer.step()
    return net, (x, y), {"loss": functional.cross_entropy}


@small
def linear_model() -> Made:
    return nn.Linear(WIDTH, CLASSES), rows(), {"loss": functional.cross_entropy}


@small
def autoencoder() -> Made:
    net = nn.Sequential(nn.Linear(WIDTH, 16), nn.ReLU(), nn.Linear(16, WIDTH))
    return net, rows()[0], {}


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(2)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return functional.cosine_similarity(self.body(a), self.body(b))


@small
def siamese_net() -> Made:
    return Siamese(), (rows()[0], rows()[0]), {}


class Scaled(nn.Module):
    """A pre-norm net with weights twenty times as large: norms make the scale harmless."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(WIDTH, 64)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU()) for _ in range(4)
        )
        self.head = nn.Linear(64, CLASSES)
        with torch.no_grad():
            for block in self.blocks:
                block[0].weight *= 20

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@small
def layer_norms_behind_large_weights() -> Made:
    return Scaled(), rows(), {"loss": functional.cross_entropy}


@small
def small_output_layer() -> Made:
    net = mlp(3)
    with torch.no_grad():
        net[-1].weight *= 0.01
    return net, rows(), {"loss": functional.cross_entropy}
