"""Layers whose arguments are off: a redundant bias, a momentum, an eps."""

import torch
from torch import nn


class Block(nn.Module):
    """The convolution's bias is added, and then subtracted by the norm; in all four blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    """A momentum in another framework's convention, and an eps that was meant as a momentum."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(32, momentum=0.99)
        self.blocks = nn.Sequential(*(Block(32) for _ in range(4)))
        self.neck = nn.Conv2d(32, 64, 1, bias=False)
        self.neck_norm = nn.BatchNorm2d(64, 0.9)
        self.head = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(torch.relu(self.norm(self.stem(x))))
        x = torch.relu(self.neck_norm(self.neck(x)))
        return self.head(x.mean((2, 3)))
