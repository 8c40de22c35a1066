"""Layers and functions of mamba_ssm and causal_conv1d where they are not installed."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from bnlint.layers.table import builtin_table
from bnlint.loading.missing.provided import provided
from bnlint.loading.missing.state_spaces import (
    Mamba,
    Mamba2,
    causal_conv1d,
    layer_norm_fn,
    rms_norm_fn,
    selective_scan,
)
from bnlint.models.guessing.guess import Guesses
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.tracing.model import trace_model
from tests.unit.tracing.test_tracers import given

SAMPLES, CHANNELS, NUMBERS, STEPS = 2, 6, 4, 300


def step_by_step(u, delta, decay, given, taken):
    """The definition: a state that decays and gains at each step."""
    state, found = torch.zeros(SAMPLES, CHANNELS, NUMBERS, dtype=u.dtype), []
    for t in range(u.shape[-1]):
        state = torch.exp(delta[..., t, None] * decay) * state
        state = state + (delta * u)[..., t, None] * given[..., t]
        found.append((state * taken[..., t]).sum(-1))
    return torch.stack(found, -1), state


@pytest.mark.parametrize("groups", [0, 1, 3])
def test_a_scan_gives_what_its_steps_give(groups):
    torch.manual_seed(0)
    signal = (SAMPLES, CHANNELS, STEPS)
    u, delta, gate = (torch.randn(signal, dtype=torch.double) for _ in range(3))
    decay = -16 * torch.rand(CHANNELS, NUMBERS, dtype=torch.double)
    kept, bias = torch.randn(2, CHANNELS, dtype=torch.double)
    shape = (SAMPLES, groups, NUMBERS, STEPS) if groups else (SAMPLES, NUMBERS, STEPS)
    given, taken = torch.randn(2, *shape, dtype=torch.double)
    wide = [
        (x.repeat_interleave(CHANNELS // groups, 1) if groups else x[:, None])
        for x in (given, taken)
    ]
    steps = functional.softplus(delta + bias[:, None])
    wanted, last = step_by_step(u, steps, decay, *wide)
    wanted = (wanted + u * kept[:, None]) * functional.silu(gate)
    found, state = selective_scan(
        u, delta, decay, given, taken, kept, gate, bias, True, return_last_state=True
    )
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(state, last)


@pytest.mark.parametrize("make", [Mamba, Mamba2])
def test_no_step_depends_on_later_ones_and_all_weights_are_trained(make):
    torch.manual_seed(0)
    layer = make(64)
    x = torch.randn(2, 20, 64)
    before, cut = layer(x), layer(x[:, :11])
    assert before.shape == x.shape
    torch.testing.assert_close(before[:, :11], cut, rtol=1e-3, atol=1e-4)
    before.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())
    assert all(p.grad.abs().sum() > 0 for p in layer.parameters())


def test_a_causal_convolution_sees_no_later_steps():
    x, weight, bias = torch.randn(2, 3, 10), torch.randn(3, 4), torch.randn(3)
    found = causal_conv1d(x, weight, bias, activation="silu")
    at_six = (x[:, :, 3:7] * weight).sum(-1) + bias
    torch.testing.assert_close(found[..., 6], functional.silu(at_six))


def test_norms_return_the_sum_where_it_is_asked_for():
    x, residual, weight = torch.randn(2, 5, 8), torch.randn(2, 5, 8), torch.randn(8)
    found, total = rms_norm_fn(x, weight, None, residual=residual, prenorm=True, eps=1e-5)
    torch.testing.assert_close(total, x + residual)
    torch.testing.assert_close(found, functional.rms_norm(total, (8,), weight, 1e-5))
    torch.testing.assert_close(
        layer_norm_fn(x, weight, None), functional.layer_norm(x, (8,), weight, None, 1e-6)
    )


class Net(nn.Module):
    """A model with one layer of a state space."""

    def __init__(self, **settings):
        super().__init__()
        self.mix = Mamba(d_model=24, d_state=8, **settings)
        self.norm, self.out = nn.LayerNorm(24), nn.Linear(24, 5)

    def forward(self, x):
        return self.out(self.norm(self.mix(x)))


def test_a_model_of_state_spaces_is_seen_whole():
    model = Net()
    graph = trace_model(model, inputs=Guesses(infer(model)))
    kinds = [op.kind for op in graph.ops if op.kind not in ("input", "output")]
    assert kinds == ["statespace", "layernorm", "linear"]
    assert graph.ref.inputs.shapes[0][2] == 24
    assert graph.trace.complete


def test_arguments_that_only_a_fork_has_make_a_layer_that_cannot_be_seen():
    graph = trace_model(Net(out_c=48), inputs=given((2, 9, 24)))
    assert not graph.trace.complete
    assert [(part.path, "out_c" in part.reason) for part in graph.trace.opaque] == [("mix", True)]


def test_what_is_provided_is_found_under_the_names_of_the_packages():
    assert provided("mamba_ssm.modules.mamba_simple", "Mamba") is Mamba
    assert provided("causal_conv1d", "causal_conv1d_fn") is causal_conv1d
    assert provided("causal_conv1d", "Mamba") is None


def test_a_copy_of_the_package_in_a_project_is_looked_into():
    own = type("Mamba", (nn.Module,), {"__module__": "mamba_ssm.modules.mamba_simple"})
    assert builtin_table().of_module(own()) is None
    assert builtin_table().of_module(Mamba(16)).name == "statespace"
