"""Nets that are fine but for what they are trained with, and nets that the usual numbers miss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.probe_verdicts.sick import (
    CLASSES,
    SICK,
    WIDTH,
    Sick,
    case,
    cnn,
    images,
    loss,
    mlp,
    rows,
    tokens,
)

__all__ = ["SICK"]


@case
def softmax_before_cross_entropy() -> Sick:
    return Sick(nn.Sequential(mlp(), nn.Softmax(1)), rows(), ("outputs-against-loss",), loss())


@case
def sigmoid_before_its_own_loss() -> Sick:
    x, y = rows()
    with_logits = {"loss": functional.binary_cross_entropy_with_logits}
    net = nn.Sequential(mlp(), nn.Sigmoid())
    many = functional.one_hot(y, CLASSES).float()
    return Sick(net, (x, many), ("outputs-against-loss",), with_logits)


@case
def scores_for_log_probabilities() -> Sick:
    return Sick(mlp(), rows(), ("outputs-against-loss",), {"loss": nn.NLLLoss()})


@case
def targets_that_broadcast() -> Sick:
    x, y = rows()
    net = nn.Sequential(mlp(), nn.Linear(CLASSES, 1))
    cause = ("outputs-against-labels",)
    return Sick(net, (x, y.float()), cause, {"loss": functional.mse_loss})


@case
def column_of_labels() -> Sick:
    x, y = rows()
    return Sick(mlp(), (x, y[:, None]), ("outputs-against-labels",), loss())


@case
def the_same_sample_again_and_again() -> Sick:
    x, y = rows()
    return Sick(mlp(), (x[:1].repeat(len(x), 1), y), ("input-scale",), loss())


@case
def running_variance_that_is_nan() -> Sick:
    net = cnn()
    net[1].running_var[3] = float("nan")
    return Sick(net, images(), ("non-finite",), loss())


@case
def two_layers_that_start_at_zero() -> Sick:
    net = mlp(3, nn.Tanh)
    for layer in (net[4], net[6]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return Sick(net, rows(), ("gradient-vanishing",), loss())


@case
def sigmoids_shifted_by_their_biases() -> Sick:
    net = mlp(2, nn.Sigmoid)
    nn.init.constant_(net[2].bias, 15.0)
    return Sick(net, rows(), ("saturation",), loss())


class Causal(nn.Module):
    """Runs along the batch from its first sample to its last: the first one depends on no other."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru = nn.Embedding(50, 24), nn.GRU(24, 24)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.gru(self.embed(ids))[0][:, -1])


@case
def gru_along_the_batch() -> Sick:
    return Sick(Causal(), tokens(), ("sample-leak",), loss())


class Faint(nn.Module):
    """An embedding so small that the biases of the LSTM decide everything."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 24)
        nn.init.normal_(self.embed.weight, std=1e-6)
        self.lstm, self.head = nn.LSTM(24, 24, batch_first=True), nn.Linear(24, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.lstm(self.embed(ids))[0][:, -1])


@case
def embedding_too_small_for_an_lstm() -> Sick:
    return Sick(Faint(), tokens(), ("signal-collapse",), loss())


class Negated(nn.Module):
    """The sign of a rectified signal is turned before it is rectified again."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, 64), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(torch.relu(-torch.relu(self.one(x))))


@case
def rectified_with_the_wrong_sign() -> Sick:
    return Sick(Negated(), rows(), ("dead-layer",), loss())
