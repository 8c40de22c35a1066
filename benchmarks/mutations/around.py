"""Modules that stand around a layer and make it a fault of the forward."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize, softmax
from torch.utils.checkpoint import checkpoint


class AlwaysDropped(nn.Module):
    """The layer, and a dropout that ignores the mode."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, *args: Any) -> Any:
        return dropout(self.own(*args), 0.2)


class ThrownAway(nn.Module):
    """The layer, and a copy of it whose result nothing reads."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own, self.extra = layer, copy.deepcopy(layer)

    def forward(self, *args: Any) -> Any:
        self.extra(*args)
        return self.own(*args)


class CutOff(nn.Module):
    """The layer, with its result detached."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, *args: Any) -> Any:
        return self.own(*args).detach()


class AddedToInput(nn.Module):
    """The layer, and a skip connection over it, although it changes the shape."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.own(x) + x


class SoftmaxOverBatch(nn.Module):
    """The layer, and a softmax over the batch."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, x: Tensor) -> Tensor:
        return softmax(self.own(x), dim=0)


class SoftmaxOfOne(nn.Module):
    """The layer, and a gate that is a softmax over one channel."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, x: Tensor) -> Tensor:
        x = self.own(x)
        return x * softmax(x.mean(1, keepdim=True), dim=1)


class Scrambled(nn.Module):
    """The layer, whose map becomes tokens by a view, and a map again."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, x: Tensor) -> Tensor:
        x = self.own(x)
        n, c, h, w = x.shape
        tokens = x.view(n, h * w, c)
        return tokens.transpose(1, 2).reshape(n, c, h, w)


class OnTokens(nn.Module):
    """The layer, whose map becomes tokens for ``mixed``, and a map again."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, x: Tensor) -> Tensor:
        x = self.own(x)
        n, c, h, w = x.shape
        return self.mixed(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(n, c, h, w)

    def mixed(self, tokens: Tensor) -> Tensor:
        raise NotImplementedError


class NormalizedOverTokens(OnTokens):
    """A normalize with its default axis."""

    def mixed(self, tokens: Tensor) -> Tensor:
        return normalize(tokens)


class BatchAsSequence(OnTokens):
    """An attention that takes the batch for the sequence."""

    def __init__(self, layer: nn.Module, channels: int) -> None:
        super().__init__(layer)
        self.mix = nn.MultiheadAttention(channels, 1, device="meta")

    def mixed(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.mix(tokens, tokens, tokens)[0]
        return result


class WeightsOverQueries(OnTokens):
    """An attention whose weights add up to 1 over the queries."""

    def __init__(self, layer: nn.Module, channels: int) -> None:
        super().__init__(layer)
        self.q, self.k = (nn.Linear(channels, 8, device="meta") for _ in range(2))

    def mixed(self, tokens: Tensor) -> Tensor:
        scores = self.q(tokens) @ self.k(tokens).transpose(1, 2)
        return scores.softmax(dim=1) @ tokens


class Recomputed(nn.Module):
    """The layer in a checkpoint."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, x: Tensor) -> Any:
        return checkpoint(self.own, x, use_reentrant=False)


class CalledAgain(nn.Module):
    """The layer in two lines, as if it were two layers."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own = layer

    def forward(self, x: Tensor) -> Any:
        x = self.own(x)
        return self.own(x)


class LooselyScaled(nn.Module):
    """The layer, and a factor that is no parameter."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.own, self.scale = layer, torch.ones(1, device="meta", requires_grad=True)

    def forward(self, *args: Any) -> Any:
        return self.own(*args) * self.scale
