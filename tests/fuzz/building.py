"""Plans made into real modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.fuzz.plan import Act, Branches, Chain, Net, Part, Residual, Resize, Unit, is_pre

Layer = Callable[[Tensor], Tensor]

ACTS: dict[str, dict[str, Callable[[], Layer]]] = {
    "relu": {
        "module": lambda: nn.ReLU(inplace=True),
        "function": lambda: F.relu,
        "method": lambda: lambda x: x.relu_(),
    },
    "relu6": {"module": nn.ReLU6, "function": lambda: F.relu6},
    "clamp": {"function": lambda: lambda x: torch.clamp(x, min=0), "method": lambda: clamp},
    "leaky": {"module": lambda: nn.LeakyReLU(0.1), "function": lambda: F.leaky_relu},
    "prelu": {"module": nn.PReLU},
    "silu": {"module": nn.SiLU, "function": lambda: lambda x: x * torch.sigmoid(x)},
    "gelu": {"module": nn.GELU, "function": lambda: F.gelu},
    "hardswish": {"module": nn.Hardswish, "function": lambda: F.hardswish},
    "elu": {"module": nn.ELU, "function": lambda: F.elu},
    "tanh": {"module": nn.Tanh, "function": lambda: torch.tanh, "method": lambda: Tensor.tanh},
    "sigmoid": {"module": nn.Sigmoid, "method": lambda: lambda x: x.sigmoid()},
}


def clamp(x: Tensor) -> Tensor:
    return x.clamp(min=0.0)


def in_dims(name: str, dims: int) -> Any:
    """The class of torch.nn by the start of its name: Conv -> Conv2d."""
    return getattr(nn, f"{name}{dims}d")


def make_act(act: Act) -> Layer:
    return ACTS[act.name][act.style]()


def make_kernel(unit: Unit, dims: int, *, bias: bool | None = None) -> nn.Module:
    source, target = unit.channels
    # a group norm leaves a use for the bias: its groups have several channels
    if bias is None:
        bias = not unit.pre and unit.norm in ("group", "layer", "none")
    if dims == 0:
        return nn.Linear(source, target, bias=bias)
    if unit.kernel == "transposed":
        return in_dims("ConvTranspose", dims)(source, target, 3, padding=1, bias=bias)
    if unit.kernel == "pointwise":
        return in_dims("Conv", dims)(source, target, 1, bias=bias)
    groups = {"depthwise": source, "grouped": 2}.get(unit.kernel, 1)
    return in_dims("Conv", dims)(source, target, 3, padding=1, groups=groups, bias=bias)


def make_norm(unit: Unit, dims: int, channels: int = 0, **options: Any) -> nn.Module:
    channels = channels or unit.channels[0 if unit.pre else 1]
    if unit.norm == "group":
        return nn.GroupNorm(2, channels, **options)
    if unit.norm == "layer":
        return nn.LayerNorm(channels, **options)
    if unit.norm == "instance":
        return in_dims("InstanceNorm", dims)(channels, affine=True, **options)
    if unit.norm == "lazy":
        return in_dims("LazyBatchNorm", max(dims, 1))(**options)
    return in_dims("BatchNorm", max(dims, 1))(channels, **options)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, dims: int, gate: str) -> None:
        super().__init__()
        self.pool = nn.Identity() if dims == 0 else in_dims("AdaptiveAvgPool", dims)(1)
        kernel = nn.Linear if dims == 0 else in_dims("Conv", dims)
        size = () if dims == 0 else (1,)
        self.down = kernel(channels, channels // 2, *size)
        self.up = kernel(channels // 2, channels, *size)
        self.scale = nn.Sigmoid() if gate == "sigmoid" else nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale(self.up(F.relu(self.down(self.pool(x)))))


@dataclass(slots=True)
class Draft:
    """A unit before it is built: its layers by name, and the names in the order of their calls."""

    unit: Unit
    dims: int
    order: list[str]
    layers: dict[str, Any] = field(default_factory=dict)
    written: bool = False

    def insert(self, name: str, layer: Any, before: str) -> str:
        """The name of a layer that now stands before another."""
        self.layers[name] = layer
        self.order.insert(self.order.index(before), name)
        return name


def draft_of(unit: Unit, dims: int) -> Draft:
    draft = Draft(unit, dims, [], written=unit.written)
    layers: dict[str, Any] = {"kernel": make_kernel(unit, dims)}
    if unit.idle:
        layers["idle"] = nn.Dropout(0.0)
    if unit.norm != "none":
        layers["norm"] = make_norm(unit, dims)
    if unit.act is not None:
        layers["act"] = make_act(unit.act)
    order = list(layers)
    draft.order = [*order[1:], "kernel"] if unit.pre else order
    draft.layers = layers
    if unit.dropout:
        draft.insert("drop", nn.Dropout(0.2), "kernel")
    if unit.gate:
        layers["gate"] = Gate(unit.channels[1], dims, unit.gate)
        order.append("gate")
    return draft


class Written(nn.Module):
    """A unit whose forward names its layers, modules and functions alike."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.order = tuple(draft.order)
        for name, layer in draft.layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.order:
            layer = getattr(self, name)
            x = layer[0](x) if isinstance(layer, list) else layer(x)
        return x


def build_unit(draft: Draft) -> nn.Module:
    layers = [draft.layers[name] for name in draft.order]
    if draft.written or not all(isinstance(layer, nn.Module) for layer in layers):
        return Written(draft)
    return nn.Sequential(OrderedDict((name, draft.layers[name]) for name in draft.order))


class Row(nn.Module):
    """Parts one after the other, by a loop, a helper function or a method."""

    def __init__(self, parts: list[nn.Module], how: str) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "helper":
            return run_through(self.parts, x)
        if self.how == "method":
            return self.from_step(x, 0)
        for part in self.parts:
            x = part(x)
        return x

    def from_step(self, x: Tensor, n: int) -> Tensor:
        return self.from_step(self.parts[n](x), n + 1) if n < len(self.parts) else x


class PreRow(Row):
    """Pre-activation blocks have a class of their own, as they have in people's code."""


def run_through(parts: nn.ModuleList, x: Tensor) -> Tensor:
    for n in range(len(parts)):
        x = parts[n](x)
    return x


class Sum(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module | None, act: Layer | None) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut, act

    def forward(self, x: Tensor) -> Tensor:
        other = x if self.shortcut is None else self.shortcut(x)
        x = self.body(x) + other
        return x if self.act is None else self.act(x)


class PreSum(Sum):
    """See ``PreRow``."""


class Joined(nn.Module):
    def __init__(self, chains: list[nn.Module]) -> None:
        super().__init__()
        self.chains = nn.ModuleList(chains)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([chain(x) for chain in self.chains], dim=1)


class Model(nn.Module):
    def __init__(self, body: nn.Module, head: nn.Module, ending: str, dims: int) -> None:
        super().__init__()
        self.body, self.head, self.ending, self.dims = body, head, ending, dims

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        if self.dims and self.ending == "mean":
            x = x.mean(dim=tuple(range(2, 2 + self.dims)))
        elif self.dims:
            x = x.amax(dim=tuple(range(2, 2 + self.dims)), keepdim=True).flatten(1)
        return self.head(x)


def build(net: Net, make: Callable[[Unit], nn.Module]) -> nn.Module:
    """The model of the plan; ``make`` builds its units."""
    body = _part(net.body, net.dims, make)
    return Model(body, nn.Linear(net.width, 5), net.head, net.dims)


def _part(part: Part, dims: int, make: Callable[[Unit], nn.Module]) -> nn.Module:
    match part:
        case Unit():
            return make(part)
        case Resize("Up"):
            return nn.Upsample(scale_factor=2)
        case Resize(name):
            return in_dims(name, dims)(2)
        case Chain(parts, how):
            built = [_part(inner, dims, make) for inner in parts]
            cls = PreRow if is_pre(part) else Row
            return nn.Sequential(*built) if how == "sequential" else cls(built, how)
        case Branches(chains):
            return Joined([_part(chain, dims, make) for chain in chains])
        case Residual(body, shortcut, act):
            inner = _part(body, dims, make)
            outer = None if shortcut is None else make(shortcut)
            cls = PreSum if is_pre(part) else Sum
            return cls(inner, outer, None if act is None else make_act(act))
