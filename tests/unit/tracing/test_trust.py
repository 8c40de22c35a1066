"""Made-up inputs must show the faults that a model has, and none that it has not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bnlint.models.guessing.guess import Guess, Guesses, Origin
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.tracing.model import trace_model


def failures(model: nn.Module, *shapes: tuple[int, ...], source: str = "inferred") -> list[str]:
    """The layers that failed for inputs of ``shapes`` (by default those bnlint makes up)."""
    candidates = tuple(
        Guess((torch.empty(s, device="meta"),), origin=Origin(source)) for s in shapes
    )
    given = Guesses(candidates or infer(model))
    return [op.layer for op in trace_model(model, inputs=given).ops if op.error is not None]


def test_wrong_channels_are_wrong_for_every_size():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(8, 4, 3))
    assert failures(net) == ["1"]


def test_a_wrong_rank_is_wrong_for_every_rank():
    net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm2d(16), nn.ReLU(), nn.Linear(16, 4))
    assert failures(net) == ["1"]


def test_the_first_failure_counts_and_others_that_all_sizes_share():
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(16), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(4)]
    net = nn.Sequential(*layers, nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(11, 4))
    assert failures(net) == ["1", "3", "6"]  # 8 channels are never flattened to 11 features


def test_a_linear_layer_behind_a_flatten_only_asks_for_another_size():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 41 * 41, 4))
    assert failures(net) == []


def test_a_linear_layer_behind_a_global_pool_is_wrong_for_every_size():
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = nn.Sequential(nn.Conv2d(3, 8, 3), pool, nn.Linear(16, 4))
    assert failures(net) == ["2"]


def test_the_first_layer_proves_nothing_about_an_input_that_was_made_up():
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8))
    assert failures(net, (2, 3, 32, 32), (2, 3, 64, 64)) == []
    assert failures(net, (2, 3, 32, 32), source="declared") == ["0"]


def test_a_made_up_input_is_varied_before_it_proves_anything():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(16))
    assert failures(net, (2, 3, 32, 32)) == ["1"]
    sized = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 41 * 43, 4))
    assert failures(sized, (2, 3, 32, 32)) == []


class Conditioned(nn.Module):
    """Its second input has other channels than what is guessed for it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8 + 5)

    def forward(self, x, condition):
        return self.bn(torch.cat([self.conv(x), condition], 1))


def test_what_comes_straight_from_an_input_proves_nothing():
    pairs = [
        Guess(tuple(torch.empty(2, 3, n, n, device="meta") for _ in range(2))) for n in (16, 32)
    ]
    graph = trace_model(Conditioned(), inputs=Guesses(tuple(pairs)))
    assert [op.layer for op in graph.ops if op.error] == []


class Looping(nn.Module):
    """Only running it shows what it does: the number of rounds hangs on a value."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        for _ in range(x.dim() - 3):
            x = self.bn(self.conv(x))
        return x


@pytest.mark.parametrize(("channels", "expected"), [(8, []), (16, ["bn"])])
def test_recorded_forwards_are_judged_alike(channels, expected):
    assert failures(Looping(channels)) == expected


def test_values_that_hang_on_an_unsuitable_input_are_forgotten():
    fc = nn.Linear(8 * 11 * 3001, 4)  # of no image that is tried
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), fc, nn.BatchNorm1d(4))
    ops = {op.layer: op for op in trace_model(net, inputs=Guesses(infer(net))).ops}
    assert ops["0"].outputs
    assert not ops["2"].outputs
    assert ops["3"].inputs == (None,)


class Unfinished(nn.Module):
    """Its first layer takes another input than the one guessed, and its forward then raises."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        x = self.bn(self.conv(x))
        if x.sum() > 0:
            raise ValueError("not this one")
        return x


def test_a_made_up_input_that_does_not_get_through_leaves_no_failure():
    assert failures(Unfinished(), (2, 3, 32, 32), (2, 3, 64, 64)) == []


class Sized(nn.Module):
    """Its inner part refuses to be traced, after it was given a size that was taken outside."""

    class Inner(nn.Module):
        def forward(self, x, size):
            y = x.reshape(size)
            return y if y.sum() > 0 else x

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.inner = self.Inner()

    def forward(self, x):
        size = x.shape
        return self.fc(self.inner(x, size)).reshape(size)


def test_a_size_that_a_refusing_part_used_first():
    graph = trace_model(Sized())
    assert "fc" in [op.layer for op in graph.ops]


class Blurred(nn.Module):
    """Its first layer is a fixed filter for as many channels as come in."""

    def __init__(self):
        super().__init__()
        self.register_buffer("blur", torch.ones(1, 1, 3, 3) / 9)
        self.conv = nn.Conv2d(12, 8, 3)

    def forward(self, x):
        x = nn.functional.pixel_unshuffle(x, 2)
        x = nn.functional.conv2d(x, self.blur.expand(x.shape[1], 1, 3, 3), groups=x.shape[1])
        return self.conv(x)


def test_a_fixed_filter_fixes_no_channels():
    assert failures(Blurred(), (2, 12, 32, 32), (2, 12, 64, 64)) == []
    assert failures(Blurred(), (2, 3, 32, 32)) == []


class FourInputs(nn.Module):
    """Three times the width of two is twice that of the others and 6, which nothing tries."""

    def __init__(self):
        super().__init__()
        self.low, self.high = nn.Conv2d(32, 16, 1), nn.Conv2d(16, 16, 1)

    def forward(self, a, b, c, d):
        low = nn.functional.interpolate(self.low(a) * self.low(b), scale_factor=2)
        low = nn.functional.pad(low, (3, 3, 3, 3))
        high = nn.functional.interpolate(self.high(c) * self.high(d), scale_factor=3)
        return torch.cat([low, high], 1)


def test_sizes_of_several_inputs_that_do_not_fit_together_prove_nothing():
    net = FourInputs()
    graph = trace_model(net, inputs=Guesses(infer(net)))
    assert [op.layer for op in graph.ops if op.error] == []
    assert graph.trace.unfit is not None


class Weighted(nn.Module):
    """An error for each step, weighted by a table with 40 rows, read from ``first`` on."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first
        self.register_buffer("weights", torch.ones(40))

    def forward(self, predicted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        steps = range(predicted.shape[1])
        errors = (predicted[:, t] - wanted[:, t] for t in steps)
        return sum(
            self.weights[self.first + t] * e.abs() for t, e in zip(steps, errors, strict=True)
        ).mean()


@pytest.mark.parametrize(("first", "failing"), [(0, 0), (40, 1)])
def test_a_loop_over_steps_proves_nothing_if_fewer_steps_do(first, failing):
    assert len(failures(Weighted(first))) == failing
