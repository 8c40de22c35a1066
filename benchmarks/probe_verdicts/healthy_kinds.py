"""Small healthy nets of many fields, as their papers and libraries build and initialize them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.probe_verdicts.healthy import HEALTHY, Made, small
from benchmarks.probe_verdicts.sick import CLASSES, COUNT, WIDTH, images, rows, tokens

__all__ = ["HEALTHY"]

LOSS = {"loss": functional.cross_entropy}


@small
def gan_generator_with_random_scales() -> Made:
    layers: list[nn.Module] = []
    for before, after in ((64, 32), (32, 16)):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, bias=False), nn.BatchNorm2d(after)]
        layers += [nn.ReLU(True)]
        nn.init.normal_(layers[-2].weight, 1.0, 0.02)
    net = nn.Sequential(*layers, nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh())
    for layer in net[::3]:
        nn.init.normal_(layer.weight, std=0.02)
    return net, torch.randn(64, 64, 1, 1), {}


class Inverted(nn.Module):
    """An inverted residual of a mobile net, with eps of 1e-3 and a hard gate."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()

        def norm(channels: int) -> nn.BatchNorm2d:
            return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)

        self.wide = nn.Sequential(
            nn.Conv2d(width, inner, 1, bias=False), norm(inner), nn.Hardswish(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False), norm(inner),
            nn.Hardswish(),
        )  # fmt: skip
        self.squeeze, self.excite = nn.Conv2d(inner, 8, 1), nn.Conv2d(8, inner, 1)
        self.narrow = nn.Sequential(nn.Conv2d(inner, width, 1, bias=False), norm(width))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        h = self.wide(x)
        gate = self.excite(functional.relu(self.squeeze(h.mean((2, 3), keepdim=True))))
        return x + self.narrow(h * functional.hardsigmoid(gate))


@small
def mobile_net() -> Made:
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16, eps=1e-3), nn.Hardswish(),
        Inverted(16, 48), Inverted(16, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 64), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(64, CLASSES),
    )  # fmt: skip
    return net, images(), LOSS


class Detections(nn.Module):
    """Boxes, objects and classes in one tensor, with priors for rare objects."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.SiLU())
        self.boxes, self.objects, self.classes = (nn.Conv2d(32, n, 1) for n in (4, 1, 9))
        for layer in (self.objects, self.classes):
            nn.init.constant_(layer.bias, -math.log(99))

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        boxes = self.boxes(h).sigmoid() * 2 - 0.5
        return torch.cat([boxes, self.objects(h).sigmoid(), self.classes(h).sigmoid()], 1)


@small
def detections_in_one_tensor() -> Made:
    return Detections(), images()[0], {}


class SequenceFirst(nn.Module):
    """Takes (sequence, batch, features), as torch's transformers do by default."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.head = nn.Linear(6, 32), nn.Linear(32, 4)
        layer = nn.TransformerEncoderLayer(32, 4, 64)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.enter(x)))


@small
def transformer_of_sequences_first() -> Made:
    return SequenceFirst(), torch.randn(12, 64, 6), {}


class Translator(nn.Module):
    """Two token sequences of different length, both with the sequence first."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(40, 32), nn.Linear(32, 40)
        self.body = nn.Transformer(32, 4, 1, 1, 64)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        mask = self.body.generate_square_subsequent_mask(len(target))
        scale = math.sqrt(32)
        return self.head(
            self.body(self.embed(source) * scale, self.embed(target) * scale, tgt_mask=mask)
        )


@small
def translator_of_sequences_first() -> Made:
    given = {"source": torch.randint(40, (10, 48)), "target": torch.randint(40, (9, 48))}
    return Translator(), given, {}


class ActorCritic(nn.Module):
    """Orthogonal weights; the deviation of the policy is a parameter, the same for all states."""

    def __init__(self) -> None:
        super().__init__()

        def head(outputs: int, gain: float) -> nn.Sequential:
            net = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, outputs))
            nn.init.orthogonal_(net[0].weight, math.sqrt(2))
            nn.init.orthogonal_(net[2].weight, gain)
            return net

        self.policy, self.value = head(4, 0.01), head(1, 1.0)
        self.deviation = nn.Parameter(torch.zeros(1, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        deviation = self.deviation.expand(len(x), -1).exp()
        return self.policy(x), deviation, self.value(x)


@small
def actor_and_critic() -> Made:
    return ActorCritic(), torch.randn(COUNT, 8), {}


class Fixup(nn.Module):
    """Residual blocks without norms: the last layer of each branch, and the head, start at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(WIDTH, 64), nn.Linear(64, CLASSES)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64, bias=False))
            for _ in range(5)
        )
        for layer in (self.head, *(block[2] for block in self.blocks)):
            nn.init.zeros_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        for block in self.blocks:
            x = functional.relu(x + block(x))
        return self.head(x)


@small
def fixup_residuals() -> Made:
    return Fixup(), rows(), LOSS


class Sines(nn.Module):
    """A field of coordinates with sines for activations."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 64), nn.Linear(64, 64)])
        self.out = nn.Linear(64, 3)
        with torch.no_grad():
            self.layers[0].weight.uniform_(-0.5, 0.5)
            self.layers[1].weight.uniform_(-math.sqrt(6 / 64) / 30, math.sqrt(6 / 64) / 30)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.sin(30 * layer(x))
        return self.out(x)


@small
def field_of_sines() -> Made:
    return Sines(), torch.rand(COUNT, 2) * 2 - 1, {}


class Rezero(nn.Module):
    """Branches behind a scalar that starts at zero, without any norm."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 32), nn.Linear(32, CLASSES)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))
        self.open = nn.Parameter(torch.zeros(1))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        x = x + self.open * self.attention(x, x, x)[0]
        return self.head((x + self.open * self.mlp(x)).mean(1))


@small
def rezero_transformer() -> Made:
    return Rezero(), tokens(), LOSS


class Coupling(nn.Module):
    """A coupling layer of a normalizing flow, which starts as the identity."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32))
        nn.init.zeros_(self.net[2].weight)
        nn.init.zeros_(self.net[2].bias)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        scale, shift = self.net(a).chunk(2, 1)
        return torch.cat([b * scale.tanh().exp() + shift, a], 1)


@small
def normalizing_flow() -> Made:
    return nn.Sequential(*(Coupling() for _ in range(4))), rows()[0], {}
