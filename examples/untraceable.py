"""A model that torch.fx cannot trace whole: its route hangs on the numbers in a tensor."""

import torch
from torch import nn


class Router(nn.Module):
    """Sends a batch one way or the other, which no tracer can know."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cheap = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))
        self.costly = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.mean() > 0:
            return self.cheap(x)
        return self.costly(x)


class Net(nn.Module):
    """A router between two layers that trace as usual."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
        self.router = Router(16)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.router(self.stem(x))).mean((2, 3)))
