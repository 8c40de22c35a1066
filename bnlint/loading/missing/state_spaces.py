"""Layers of state space models for a missing mamba_ssm or causal_conv1d, which need a compiler.

They have the arguments, names of layers and shapes of those packages, and compute what the papers
say (Gu and Dao 2023, section 3.2; Dao and Gu 2024, section 7), with no loop over the steps.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnlint.loading.missing.unknown_layer import UnknownLayer

_HOME = "mamba_ssm.provided"
"""Where the table of layers finds them: a project's own copy of the package is looked into."""

_LEAST = 1e-30
"""What replaces zero in logarithms."""

_WITHOUT_EFFECT = frozenset(
    {
        *("dt_init", "dt_scale", "use_fast_path", "use_mem_eff_path", "layer_idx", "chunk_size"),
        *("device", "dtype", "A_init_range", "bimamba", "bimamba_type", "nslices"),
        *("if_devide_out", "init_layer_scale"),
    }
)
"""Settings of the releases, and of those for images, that change no shape."""


def selective_scan(
    u: Any,
    delta: Any,
    A: Any,  # noqa: N803  # as it is called
    B: Any,  # noqa: N803  # as it is called
    C: Any,  # noqa: N803  # as it is called
    D: Any = None,  # noqa: N803
    z: Any = None,
    delta_bias: Any = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Any:
    """What a state that decays by ``A`` gives of a signal ``u``, (samples, channels, steps)."""
    delta = delta if delta_bias is None else delta + delta_bias[..., None]
    delta = functional.softplus(delta) if delta_softplus else delta
    wide_b, wide_c = (_for_each_channel(x, u) for x in (B, C))
    states = _states(delta[..., None, :] * A[..., None], (delta * u)[..., None, :] * wide_b)
    y = (states * wide_c).sum(-2)
    y = y if D is None else y + u * D[..., None]
    y = y if z is None else y * functional.silu(z)
    return (y, states[..., -1]) if return_last_state else y


def _states(decay: Any, gain: Any) -> Any:
    """``h[t] = exp(decay[t]) * h[t - 1] + gain[t]``; summed in logarithms, which fit."""
    total = decay.cumsum(-1)
    risen, fallen = (
        torch.exp(torch.logcumsumexp(part.clamp(min=_LEAST).log() - total, -1) + total)
        for part in (gain, -gain)
    )
    return risen - fallen


def _for_each_channel(x: Any, u: Any) -> Any:
    """(samples, channels, numbers, steps), where channels may share what a group of them has."""
    rank = len(x.shape)
    if rank == 2:
        return x[..., None]
    if rank == 3:
        return x[:, None]
    return x.repeat_interleave(u.shape[1] // x.shape[1], 1)


def causal_conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *_: Any,
    return_final_states: bool = False,
    activation: str | None = None,
    **__: Any,
) -> Any:
    """A convolution of each channel by itself that sees no later steps."""
    width = weight.shape[-1]
    found = functional.conv1d(
        x, weight.unsqueeze(1), bias, padding=width - 1, groups=weight.shape[0]
    )[..., : x.shape[-1]]
    found = found if activation is None else functional.silu(found)
    return (found, x[..., 1 - width :]) if return_final_states else found


class _Released(nn.Module):
    """A layer with the arguments of the releases; those of a fork make one that is not known."""

    def __new__(cls, *_: Any, **settings: Any) -> Any:
        known = {*inspect.signature(cls.__init__).parameters, *_WITHOUT_EFFECT}
        if foreign := sorted(settings.keys() - known):
            return UnknownLayer(f"{cls.__name__}({', '.join(foreign)}=...)")
        return super().__new__(cls)


class Mamba(_Released):
    """A selective state space with its gate, (samples, steps, d_model) to the same."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: float = 2,
        dt_rank: int | str = "auto",
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        conv_bias: bool = True,
        bias: bool = False,
        **_: Any,
    ) -> None:
        super().__init__()
        self.d_model, self.d_state, self.d_inner = d_model, d_state, int(expand * d_model)
        inner, rank = self.d_inner, math.ceil(d_model / 16) if dt_rank == "auto" else int(dt_rank)
        self.dt_rank = rank
        self.in_proj = nn.Linear(d_model, inner * 2, bias=bias)
        self.conv1d = _convolution(inner, d_conv, conv_bias)
        self.act = nn.SiLU()
        self.x_proj = nn.Linear(inner, rank + d_state * 2, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        with torch.no_grad():
            self.dt_proj.bias.copy_(_steps(inner, dt_min, dt_max, dt_init_floor))
        numbers = torch.arange(1, d_state + 1, dtype=torch.float32)
        self.A_log = nn.Parameter(numbers.repeat(inner, 1).log())
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, d_model, bias=bias)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        """The signal after the state space, for each step."""
        signal, gate = self.in_proj(hidden_states).transpose(1, 2).chunk(2, 1)
        signal = self.act(self.conv1d(signal)[..., : hidden_states.shape[1]])
        sizes = [self.dt_rank, self.d_state, self.d_state]
        delta, given, taken = self.x_proj(signal.transpose(1, 2)).split(sizes, -1)
        found: Tensor = selective_scan(
            signal, self.dt_proj(delta).transpose(1, 2), -self.A_log.exp(),
            given.transpose(1, 2), taken.transpose(1, 2), self.D, gate, delta_softplus=True,
        )  # fmt: skip
        return self.out_proj(found.transpose(1, 2))  # type: ignore[no-any-return]


class Mamba2(_Released):
    """A state space whose heads decay as one, (samples, steps, d_model) to the same."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 128,
        d_conv: int = 4,
        expand: float = 2,
        headdim: int = 64,
        ngroups: int = 1,
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        conv_bias: bool = True,
        bias: bool = False,
        **_: Any,
    ) -> None:
        super().__init__()
        self.d_model, self.d_state, self.d_inner = d_model, d_state, int(expand * d_model)
        self.headdim, self.ngroups, self.nheads = headdim, ngroups, self.d_inner // headdim
        if self.nheads * headdim != self.d_inner:
            raise ValueError(f"{self.d_inner} channels are no multiple of headdim={headdim}")
        shared = 2 * ngroups * d_state
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner + shared + self.nheads, bias=bias)
        self.conv1d = _convolution(self.d_inner + shared, d_conv, conv_bias)
        self.act = nn.SiLU()
        self.dt_bias = nn.Parameter(_steps(self.nheads, dt_min, dt_max, dt_init_floor))
        self.A_log = nn.Parameter(torch.empty(self.nheads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(self.nheads))
        self.norm = RMSNorm(self.d_inner)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias)

    def forward(self, u: Tensor, *_: Any, **__: Any) -> Tensor:
        """The signal after the state space, for each step."""
        shared = self.ngroups * self.d_state
        sizes = [self.d_inner, self.d_inner + 2 * shared, self.nheads]
        gate, mixed, delta = self.in_proj(u).split(sizes, -1)
        mixed = self.act(self.conv1d(mixed.transpose(1, 2))[..., : u.shape[1]])
        signal, given, taken = mixed.split([self.d_inner, shared, shared], 1)
        delta, decay, kept = (
            x.repeat_interleave(self.headdim, -1)
            for x in (delta + self.dt_bias, -self.A_log.exp(), self.D)
        )
        by_group = (u.shape[0], self.ngroups, self.d_state, u.shape[1])
        found: Tensor = selective_scan(
            signal, delta.transpose(1, 2), decay[:, None],
            given.reshape(by_group), taken.reshape(by_group), kept, delta_softplus=True,
        )  # fmt: skip
        normed = self.norm(found.transpose(1, 2) * functional.silu(gate))
        return self.out_proj(normed)  # type: ignore[no-any-return]


def _convolution(channels: int, width: int, bias: bool) -> nn.Conv1d:
    """One for each channel by itself."""
    return nn.Conv1d(channels, channels, width, groups=channels, padding=width - 1, bias=bias)


def _steps(channels: int, least: float, most: float, floor: float) -> Tensor:
    """Biases that softplus makes steps between these, drawn evenly in logarithms."""
    low, high = math.log(least), math.log(most)
    steps = torch.exp(torch.rand(channels) * (high - low) + low).clamp(min=floor)
    return steps + torch.log(-torch.expm1(-steps))


class RMSNorm(nn.RMSNorm):
    """The norm of these models, over the last axis."""

    def __init__(self, hidden_size: int, eps: float = 1e-5, *_: Any, **__: Any) -> None:
        super().__init__(hidden_size, eps)


def layer_norm_fn(
    x: Any,
    weight: Any,
    bias: Any = None,
    residual: Any = None,
    *_: Any,
    eps: float = 1e-6,
    prenorm: bool = False,
    is_rms_norm: bool = False,
    **__: Any,
) -> Any:
    """The norm of a sum, and the sum where that is asked for."""
    total = x if residual is None else x + residual
    if is_rms_norm:
        found = functional.rms_norm(total, weight.shape, weight, eps)
        found = found if bias is None else found + bias
    else:
        found = functional.layer_norm(total, weight.shape, weight, bias, eps)
    return (found, total) if prenorm else found


def rms_norm_fn(*args: Any, **kwargs: Any) -> Any:
    """The norm of a sum by its root mean square, and the sum where that is asked for."""
    return layer_norm_fn(*args, **{**kwargs, "is_rms_norm": True})


for _kind in (Mamba, Mamba2, RMSNorm):
    _kind.__module__ = _HOME

STATE_SPACES: Mapping[tuple[str, str], Any] = {
    ("mamba_ssm", "Mamba"): Mamba,
    ("mamba_ssm", "Mamba2"): Mamba2,
    ("mamba_ssm", "RMSNorm"): RMSNorm,
    ("mamba_ssm", "layer_norm_fn"): layer_norm_fn,
    ("mamba_ssm", "rms_norm_fn"): rms_norm_fn,
    ("mamba_ssm", "selective_scan_fn"): selective_scan,
    ("mamba_ssm", "selective_scan_ref"): selective_scan,
    ("causal_conv1d", "causal_conv1d_fn"): causal_conv1d,
}
"""The layers and functions by the package and the name."""
