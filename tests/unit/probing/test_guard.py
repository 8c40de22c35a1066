from __future__ import annotations

import copy
import random
from collections import deque

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnlint.domain.errors import ProbeError
from bnlint.probing.probe_model import probe
from bnlint.tracing.process_state import process_state
from tests.unit.probing.nets import ResNet, mlp


def fingerprint(model: nn.Module) -> list[object]:
    """Everything that a probe may leave behind, down to the bits."""
    return [
        [(n, p.detach().clone().view(torch.uint8), p.requires_grad) for n, p in params(model)],
        [(n, None if p.grad is None else p.grad.clone()) for n, p in params(model)],
        [(n, b.clone().reshape(-1).view(torch.uint8)) for n, b in model.named_buffers()],
        [m.training for m in model.modules()],
        [sorted(vars(m)) for m in model.modules()],
        [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
            for m in model.modules()
        ],
        [len(p._backward_hooks or ()) for p in model.parameters()],
        [id(p) for p in model.parameters()],
        torch.get_rng_state(),
        random.getstate(),
        (np.random.get_state()[1].tolist(), np.random.get_state()[2]),
        nn.Module.__call__,
        torch.is_grad_enabled(),
    ]


def params(model: nn.Module):
    return model.named_parameters()


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return a == b


class Meddling(nn.Module):
    """A forward that changes weights, buffers, attributes, lists, flags and generators."""

    def __init__(self, fail: BaseException | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.norm = nn.BatchNorm1d(6, momentum=0.5)
        self.act = nn.ReLU()
        self.register_buffer("ema", torch.zeros(6))
        self.cache: dict[str, torch.Tensor] = {}
        self.history: list[int] = []
        self.steps = 0
        self.fail = fail

    def forward(self, x):
        with torch.no_grad():
            self.linear.weight.mul_(0.9)
            self.linear.bias.data += 1
            self.norm.weight.data.clamp_(max=0.5)
        self.steps += 1
        self.cache["x"] = x
        self.history.append(len(x))
        self.ema = self.ema * 0.9 + x.mean(0)
        self.last = x
        self.norm.eval()
        random.random()
        np.random.rand()
        h = self.act(self.norm(self.linear(x)) + torch.rand(6))
        if self.fail is not None and self.steps > 1:
            raise self.fail
        return h


@pytest.mark.parametrize(
    "fail", [None, ValueError("no"), KeyboardInterrupt(), torch.OutOfMemoryError("out of memory")]
)
def test_nothing_is_left_behind(fail: BaseException | None) -> None:
    model = Meddling(fail)
    model.linear.weight.grad = torch.randn(6, 6)
    before = fingerprint(model)
    expected = {ValueError: ProbeError, torch.OutOfMemoryError: ProbeError}.get(type(fail))
    x = [torch.randn(8, 6), torch.randn(8, 6)]
    before = fingerprint(model)
    if fail is None:
        probe(model, x, samples=16)
    else:
        with pytest.raises(expected or KeyboardInterrupt):
            probe(model, x, samples=16)
    after = fingerprint(model)
    for i, (a, b) in enumerate(zip(before, after, strict=True)):
        assert same(a, b), i


def test_the_guard_test_can_fail() -> None:
    model = Meddling()
    before = fingerprint(model)
    model(torch.randn(8, 6))
    changed = [not same(a, b) for a, b in zip(before, fingerprint(model), strict=True)]
    assert changed[:5] == [True, False, True, True, True]
    assert changed[8:11] == [True, True, True]


def test_a_comparison_that_trains_leaves_the_weights() -> None:
    model, x = ResNet(), torch.randn(8, 3, 8, 8)
    before = fingerprint(model)
    result = probe(model, x, compare=True, steps=2)
    assert result.comparison is not None
    assert all(same(a, b) for a, b in zip(before, fingerprint(model), strict=True))


def test_an_error_in_the_middle_of_training_leaves_the_weights() -> None:
    model, x, calls = mlp(2), torch.randn(8, 32), []

    def loss(out, target):
        calls.append(1)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return F.cross_entropy(out, target)

    before = fingerprint(model)
    with pytest.raises(KeyboardInterrupt):
        probe(model, x, targets=torch.arange(8), loss=loss, compare=True, steps=5)
    assert len(calls) > 6
    assert all(same(a, b) for a, b in zip(before, fingerprint(model), strict=True))


def test_hooks_and_gradients_of_the_users_inputs_stay() -> None:
    x = torch.randn(16, 32, requires_grad=True)
    model = nn.Sequential(nn.ReLU(), mlp(1))
    probe(model, x)
    assert x.grad is None
    assert not x._backward_hooks


def test_modes_of_the_caller_do_not_matter() -> None:
    model, x = mlp(2), torch.randn(32, 32)
    plain = probe(model, x)
    with torch.no_grad():
        assert probe(model, x).kernels == plain.kernels
    with torch.inference_mode():
        inside = torch.randn(4, 32)
        assert probe(model, inside).kernels[0].gradient is not None
    assert all(p.grad is None for p in model.parameters())


def test_a_model_in_eval_mode_is_probed_in_train_mode_and_put_back() -> None:
    model = ResNet().eval()
    assert probe(model, torch.randn(4, 3, 8, 8)).norms[0].batch_statistics
    assert not any(m.training for m in model.modules())
    assert not probe(model, torch.randn(4, 3, 8, 8), train=False).norms[0].batch_statistics


def test_frozen_norms_of_a_training_model_stay_frozen() -> None:
    model = ResNet()
    model.layers[0].bn1.eval()
    rows = {n.layer: n.batch_statistics for n in probe(model, torch.randn(4, 3, 8, 8)).norms}
    assert rows["layers.0.bn1"] is False
    assert rows["layers.0.bn2"] is True


class Hoarder(nn.Module):
    """State in plain attributes: tensors, nested containers, a generator, unregistered modules."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.ema = torch.zeros(6)
        self.sums = [torch.zeros(2)]
        self.nested = {"seen": [1]}
        self.kinds: set[str] = set()
        self.last: deque[int] = deque(maxlen=3)
        self.generator = torch.Generator().manual_seed(4)
        self.norms = [nn.BatchNorm1d(6)]
        self.scales = (nn.Parameter(torch.ones(6)),)

    def forward(self, x):
        h = torch.relu(self.norms[0](self.linear(x)) + torch.rand(6, generator=self.generator))
        self.scales[0].data.mul_(0.5)
        self.ema.mul_(0.9).add_(h.detach().mean(0))
        self.sums[0].add_(1)
        self.nested["seen"].append(2)
        self.kinds.add("x")
        self.last.append(len(x))
        return h

    def state(self) -> list[object]:
        return [
            self.ema.tolist(),
            self.sums[0].tolist(),
            dict(self.nested),
            set(self.kinds),
            list(self.last),
            self.generator.get_state().tolist(),
            [b.tolist() for b in self.norms[0].buffers()],
            self.scales[0].tolist(),
        ]


def test_state_in_plain_attributes_is_put_back() -> None:
    model = Hoarder()
    before = copy.deepcopy(model.state())
    probe(model, torch.randn(8, 6))
    assert model.state() == before
    model(torch.randn(8, 6))
    assert all(a != b for a, b in zip(model.state(), before, strict=True))


@pytest.mark.parametrize(
    "write",
    [
        lambda m: torch._foreach_mul_([m.weight, m.bias], 0.5),
        lambda m: torch.add(m.weight.detach(), 1, out=m.weight.data),
        lambda m: F.embedding(torch.tensor([0, 1]), m.weight, None, 0.01),
        lambda m: F.relu(m.weight.data, True),
        lambda m: F.dropout(m.weight.data, 0.9, True, True),
        lambda m: setattr(m.weight, "data", torch.zeros(6, 6)),
    ],
)
def test_every_way_to_write_to_a_weight_is_undone(write) -> None:
    model, x = Function(write), torch.randn(8, 6)
    before = fingerprint(model)
    probe(model, x)
    assert all(same(a, b) for a, b in zip(before, fingerprint(model), strict=True))
    weight = model.linear.weight.detach().clone()
    model(torch.randn(8, 6))
    assert not torch.equal(weight, model.linear.weight)


class Function(nn.Module):
    def __init__(self, write) -> None:
        super().__init__()
        self.linear, self.write = nn.Linear(6, 6), write

    def forward(self, x):
        with torch.no_grad():
            self.write(self.linear)
        return torch.relu(self.linear(x))


def test_inputs_that_the_forward_overwrites_are_put_back() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.BatchNorm1d(32), mlp(1))
    x = torch.randn(64, 32)
    kept = x.clone()
    plain = probe(model, x.abs(), compare=True, steps=2)
    result = probe(model, x, batch_size=16, compare=True, steps=2)
    assert torch.equal(x, kept)
    assert result.comparison is not None
    assert plain.comparison is not None
    assert result.comparison.variants[0].activations[0].dead is not None
    assert result.comparison.variants[0].activations[0].minimum < 0
    assert result.kernels[0].gradient


def test_functional_transforms_go_through() -> None:
    class Transformed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 6)

        def forward(self, x):
            doubled = torch.vmap(lambda v: (v + 1).mul_(2))(self.linear(x))
            slope = torch.func.grad(lambda v: torch.relu(self.linear(v)).sum())(x)
            return torch.tanh(doubled + slope)

    result = probe(Transformed(), torch.randn(16, 6))
    assert result.activations[-1].kind == "tanh"
    assert result.kernels[0].gradient


def test_the_generators_of_other_devices_are_not_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    probe(mlp(1), torch.randn(8, 32))
    assert seeded == []
    torch.manual_seed(0)
    assert seeded == [0]


def test_the_generators_of_every_card_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[object] = []
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["first", "second"])
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", put.append)
    with process_state("cuda"):
        pass
    assert put == [["first", "second"]]
    with process_state("cpu"):
        pass
    assert len(put) == 1


def test_weights_made_in_inference_mode_end_in_a_message() -> None:
    with torch.inference_mode():
        model = mlp(1)
    with pytest.raises(ProbeError, match="Inference tensors"):
        probe(model, torch.randn(8, 32))
