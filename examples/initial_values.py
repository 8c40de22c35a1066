"""Weights that start where gradients do not reach them."""

import torch
from torch import nn


class Deep(nn.Module):
    """Fourteen layers with torch's default initialisation and no norm: the signal fades."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(64, 64), nn.ReLU()]
        for _ in range(12):
            layers += [nn.Linear(64, 64), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


class Dead(nn.Module):
    """Biases so negative that hardly a unit ever fires."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(64, 128)
        self.two = nn.Linear(128, 10)
        nn.init.constant_(self.one.bias, -3.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.relu(self.one(x)))
