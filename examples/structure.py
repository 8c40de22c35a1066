"""Modules that are not where training looks for them."""

import torch
from torch import nn

teacher = nn.Sequential(nn.Linear(16, 16), nn.ReLU())


class Net(nn.Module):
    """Layers in a plain list, one norm for two places, one for none, another model's forward."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(8, 16, bias=False)
        self.norm = nn.BatchNorm1d(16)
        self.hidden = [nn.Linear(16, 16) for _ in range(3)]
        self.neck = nn.Linear(16, 16, bias=False)
        self.spare = nn.BatchNorm1d(16)
        self.head = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        for layer in self.hidden:
            x = torch.relu(layer(x))
        x = torch.relu(self.norm(self.neck(x)))
        return self.head(teacher(x))
