"""Norms in the wrong place."""

import torch
from torch import nn


class Net(nn.Module):
    """A norm behind its activation, a dropout before a norm, a norm behind the softmax."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, bias=False),
            nn.ReLU(),
            nn.BatchNorm2d(32),
            nn.Conv2d(32, 64, 3, bias=False),
            nn.Dropout(0.2),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, classes)
        self.norm = nn.BatchNorm1d(classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(self.features(x).mean((2, 3)))
        return self.norm(torch.softmax(x, dim=1))
