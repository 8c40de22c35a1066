"""Layers that do not fit together."""

import torch
from torch import nn


class Net(nn.Module):
    """The second norm has the channels of the first."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, bias=False)
        self.norm1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.norm2 = nn.BatchNorm2d(32)
        self.head = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm1(self.conv1(x)))
        x = torch.relu(self.norm2(self.conv2(x)))
        return self.head(x.mean((2, 3)))


class Flat(nn.Module):
    """A norm for images behind a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(784, 128, bias=False)
        self.norm = nn.BatchNorm2d(128)
        self.head = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.norm(self.fc(x.flatten(1)))))


if __name__ == "__main__":
    images = torch.randn(8, 1, 28, 28)
    Net()(images)
    Flat()(images)
