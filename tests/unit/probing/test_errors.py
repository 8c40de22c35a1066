from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.domain.errors import ProbeError
from bnlint.domain.finding import Severity
from bnlint.probing.probe_model import probe
from tests.unit.probing.nets import mlp
from tests.unit.probing.test_guard import fingerprint, same

X = torch.randn(16, 32)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batches": torch.randn(1, 32)}, "a batch of one sample"),
        ({"batches": torch.randn(16, 7)}, r"forward raised RuntimeError.*\n.*\(16, 7\)"),
        ({"batches": X, "loss": lambda o: o}, r"must be a scalar tensor, not \(16, 10\)"),
        ({"batches": X, "loss": lambda o: o.nope}, "the loss raised AttributeError"),
        ({"batches": X, "device": "cuda:7"}, "'cuda:7' is not there\n.*this machine has cpu"),
        ({"batches": X, "device": "toaster"}, "'toaster' is no device"),
        ({"batches": X, "dtype": "int8"}, "no precision"),
        ({"batches": 7}, "cannot make a batch of int"),
        ({"batches": []}, "no batch"),
        ({"batches": torch.randn(0, 32)}, "no samples"),
        ({"inputs": "three"}, "is not an input"),
        ({"samples": 1}, "batch of one sample"),
        ({"batches": lambda: 1 / 0}, "called for batches raised ZeroDivisionError"),
        ({"batches": map(int, ["x"])}, "the map of the batches raised ValueError"),
        ({"batches": X, "batch_size": 0}, "batch_size=0"),
        ({"batches": X, "steps": -1}, "steps=-1"),
    ],
)
def test_a_mistake_is_named_and_nothing_left_behind(options: dict, says: str) -> None:
    if "cuda" in str(options.get("device")) and torch.cuda.is_available():
        pytest.skip("there is one here")
    model = mlp(2)
    before = fingerprint(model)
    with pytest.raises(ProbeError, match=says):
        probe(model, **options)
    assert all(same(a, b) for a, b in zip(before, fingerprint(model), strict=True))


def test_what_is_no_model() -> None:
    with pytest.raises(ProbeError, match="a function is not a model"):
        probe(lambda x: x, X)  # type: ignore[arg-type]


def test_a_backward_that_fails_leaves_no_gradient() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, _):
            raise ValueError("no way back")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(32, 16), nn.Linear(16, 4)

        def forward(self, x):
            return self.two(torch.tanh(Broken.apply(torch.relu(self.one(x)))))

    result = probe(Net(), X)
    assert result.notes == ("no gradient: the backward raised ValueError: no way back",)
    assert [a.gradient for a in result.activations] == [None, None]
    assert [k.gradient for k in result.kernels] == [None, None]


def test_a_model_without_activations_is_measured_for_what_it_has() -> None:
    linear = probe(nn.Sequential(nn.Linear(4, 4)), torch.randn(8, 4))
    assert [(k.layer, k.kind) for k in linear.kernels] == [("0", "linear")]
    assert linear.outputs[0].shape == (8, 4)
    lstm = probe(nn.LSTM(4, 4, batch_first=True), torch.randn(8, 3, 4))
    assert "fused recurrent layer" in lstm.not_observable[0].reason
    assert lstm.trials.trainable == 4
    attention = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1)
    leak = probe(attention, torch.randn(16, 3, 8)).report.findings[0]
    assert leak.name == "sample-leak"


def test_a_model_without_weights() -> None:
    with torch.device("meta"):
        model = mlp(1)
    with pytest.raises(ProbeError, match="meta device"):
        probe(model, X)


def test_infinite_outputs_are_a_finding() -> None:
    class Log(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(1)

        def forward(self, x):
            return (self.net(x) * 0).log()

    (found,) = [f for f in probe(Log(), X).report.findings if f.severity is Severity.ERROR]
    assert found.name == "non-finite"
    assert "`log`" in found.message
    assert found.location.line == _line_of(Log, ".log()")


def test_a_loss_that_is_not_finite_is_a_finding() -> None:
    found = probe(mlp(2), X, loss=lambda outputs: outputs.sum() * float("nan")).report.findings
    assert [f.name for f in found if f.severity is Severity.ERROR] == ["non-finite"]
    assert "loss" in found[0].message


def _line_of(made: type, text: str) -> int:
    lines, first = inspect.getsourcelines(made)
    return first + next(number for number, line in enumerate(lines) if text in line)


class Hungry(nn.Module):
    """Runs out of memory above a number of samples."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.net, self.limit = mlp(2), limit

    def forward(self, x):
        h = self.net[:2](x)
        if len(x) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 TiB")
        return self.net[2:](h)


def test_running_out_of_memory_halves_the_batch_and_says_so() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 32)
    result = probe(Hungry(16), x)
    assert result.trials.trainable == 6
    assert result.notes == (
        "out of memory with 64 samples at once: went on with 32",
        "out of memory with 32 samples at once: went on with 16",
    )
    assert (result.samples, result.batches) == (64, 4)
    assert {a.samples for a in result.activations} == {64}
    hungry = Hungry(10**9)
    whole = probe(hungry, x).activations
    hungry.limit = 16
    halved = probe(hungry, x).activations
    assert [a.mean for a in halved] == pytest.approx([a.mean for a in whole], rel=1e-4)


def test_no_memory_for_two_samples() -> None:
    with pytest.raises(ProbeError, match="out of memory on cpu with 2 samples"):
        probe(Hungry(0), torch.randn(8, 32))


def test_targets_are_halved_along() -> None:
    y = torch.randint(10, (32,))
    assert probe(Hungry(8), torch.randn(32, 32), targets=y, loss=F.cross_entropy).samples == 32


def test_a_forward_that_no_guess_fits_is_named_with_its_line() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(10, 4)

        def forward(self, x):
            return self.head(self.conv(x).mean((2, 3)))

    line = Wide.forward.__code__.co_firstlineno + 1
    place = rf"\(test_errors.py, line {line}\)"
    with pytest.raises(ProbeError, match=r"no input could be guessed.* with 2x3x.*" + place):
        probe(Wide())
    with pytest.raises(ProbeError, match=r"forward raised RuntimeError.*" + place):
        probe(Wide(), torch.randn(4, 3, 16, 16))
