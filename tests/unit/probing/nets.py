"""Models whose measurements are known by construction, or healthy ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mlp(
    depth: int = 4, width: int = 32, act: type[nn.Module] = nn.ReLU, he: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width)
        if he:
            nn.init.kaiming_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
        layers += [linear, act()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


class Block(nn.Module):
    """A residual block with in-place and functional activations and a shared one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y = y + x
        return F.relu(y, inplace=True)


class ResNet(nn.Module):
    def __init__(self, width: int = 8, blocks: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width))
        self.layers = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.stem(x))
        return self.head(self.layers(x).mean((2, 3)))


class Pick(nn.Module):
    """One linear layer whose pre-activations are the inputs, then an activation."""

    def __init__(self, act: nn.Module, units: int, bias: Tensor | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(units, units)
        self.act = act
        self.head = nn.Linear(units, 4)
        with torch.no_grad():
            self.linear.weight.copy_(torch.eye(units))
            self.linear.bias.copy_(torch.zeros(units) if bias is None else bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.linear(x)))
