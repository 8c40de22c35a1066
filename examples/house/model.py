"""A model that takes an argument, linted with a team's own rule (see bnlint.toml)."""

import torch
from torch import nn


class Net(nn.Module):
    """A convolution, a norm, a tanh."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.Tanh()
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.act(self.norm(self.conv(x))).mean((2, 3)))
