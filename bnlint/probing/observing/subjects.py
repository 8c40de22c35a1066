"""What an operation is about: data or weights, a kernel or a product, an activation or a gate."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from bnlint.layers.regions import region_of
from bnlint.layers.table import Kind
from bnlint.probing.observing.history import origin
from bnlint.probing.observing.readings import ActivationReading, KernelReading
from bnlint.tracing.forward import Key

NODES = 16
"""Maximum number of autograd nodes searched; a longer history is taken for data."""

SIMPLE = tuple(
    f"{name}Backward"
    for name in (
        *("Mul", "Add", "Sub", "Rsub", "Div", "Neg", "Exp", "Pow", "Select", "Slice"),
        *("View", "Unsqueeze", "Squeeze", "Expand", "Reshape", "Permute", "Transpose", "T"),
    )
)
"""Operations whose result is still a weight if all they read is weights."""


def closed_to(x: Any) -> str | None:
    """Why a tensor cannot be reduced: empty if it can, None if it is no tensor or has no values."""
    if not isinstance(x, Tensor) or x.ndim == 0 or (x.layout is torch.strided and not x.numel()):
        return None
    if torch._C._functorch.is_functorch_wrapped_tensor(x):
        return "runs inside a function transform (torch.func)"
    if x.layout is not torch.strided:
        return f"takes a tensor in {str(x.layout).removeprefix('torch.')} layout"
    if not x.is_floating_point():
        return f"takes a tensor of {str(x.dtype).removeprefix('torch.')}"
    return ""


def of_weights(x: Tensor, samples: int) -> bool:
    """True where ``x`` is a parameter, or computed from parameters by simple arithmetic.

    In autograd's record an input looks like a number; if the batch dimension of ``x`` is no
    multiple of ``samples``, it is taken for a number.
    """
    if isinstance(x, nn.Parameter) or x.grad_fn is None:
        return isinstance(x, nn.Parameter)
    nodes: list[Any] = [x.grad_fn]
    seen = 0
    while nodes:
        node, seen = nodes.pop(), seen + 1
        variable = getattr(node, "variable", None)
        if node is None:
            if not samples or x.shape[0] % samples == 0:
                return False
        elif variable is None:
            if seen > NODES or not node.name().startswith(SIMPLE):
                return False
            nodes += [before for before, _ in node.next_functions]
        elif not isinstance(variable, nn.Parameter):
            return False
    return True


def closed_module(module: nn.Module, kind: Kind | None) -> str:
    """Why the inside of this module cannot be observed; empty if it can."""
    if isinstance(module, torch.jit.ScriptModule):
        return "scripted: its operations do not pass through Python"
    if kind is not None and kind.name == "recurrent":
        return "fused recurrent layer: its gates run in one kernel"
    if type(module).__name__ == "OptimizedModule":
        return "compiled: its operations are fused"
    if isinstance(module, torch.fx.GraphModule) and any(
        isinstance(node.target, torch._ops.OpOverload) for node in module.graph.nodes
    ):
        return "exported: its operations do not pass through Python functions"
    return ""


class Kernels:
    """The readings of kernels: one for each weight, in the order of their first calls.

    A weight that is computed in every forward (weight norm, standardized weights, a cast) is known
    by the call that uses it; its reading follows the newest.
    """

    def __init__(self) -> None:
        self.readings: dict[Hashable, KernelReading] = {}
        self._stages: MutableMapping[Tensor, int] = WeakIdKeyDictionary()
        self._last = 0

    def restart(self) -> None:
        """A new forward."""
        self._stages.clear()
        self._last = 0

    def note(self, call: Key, kind: str, x: Any, weight: Tensor) -> KernelReading:
        """The reading of a call that multiplies ``x`` by ``weight``."""
        key: Hashable = id(weight) if weight.is_leaf else call
        stage = self._stage(x)
        found = self.readings.get(key)
        if found is None:
            found = KernelReading(call[0], kind, weight, weight.requires_grad, stage, call=call[1])
            self.readings[key] = found
        found.weight = weight
        return found

    def _stage(self, x: Any) -> int:
        """A number that kernels share if they read the same tensor."""
        if isinstance(x, Tensor) and x in self._stages:
            return self._stages[x]
        self._last += 1
        if isinstance(x, Tensor):
            self._stages[x] = self._last
        return self._last


def operands(kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """What a call multiplies, and its weight; None where there is no weight.

    A matrix product is a kernel if one of its factors is a parameter.
    """
    if kind != "matmul":
        weight = args[1] if len(args) > 1 else kwargs.get("weight")
        x = args[0] if args else kwargs.get("input")
        return x, weight if isinstance(weight, Tensor) else None
    factors = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor) and a.ndim > 1]
    weight = next((a for a in factors if isinstance(a, nn.Parameter)), None)
    return next((a for a in factors if a is not weight), None), weight


def _is_of(factor: Any, out: Tensor | None, maker: Any) -> bool:
    """Whether a factor is this result of an activation, or a reshaped one."""
    if not isinstance(factor, Tensor):
        return False
    return factor is out or (maker is not None and origin(factor) is maker)


class Gates:
    """The saturating activations of a forward whose result may still multiply something.

    Inputs and results are held weakly: the address of a freed one may be reused. A result may be
    reshaped first (``gate.view(n, c, 1, 1)``): autograd knows where it is from.
    """

    def __init__(self) -> None:
        self._open: list[
            tuple[ActivationReading, weakref.ref[Tensor], weakref.ref[Tensor], Any]
        ] = []

    def note(self, reading: ActivationReading, x: Tensor, out: Tensor) -> None:
        """Notes an activation that computed ``out`` from ``x``."""
        if reading.region.saturating:
            self._open.append((reading, weakref.ref(x), weakref.ref(out), out.grad_fn))

    def multiplied(self, factors: tuple[Any, ...]) -> None:
        """``x * sigmoid(x)`` is one activation; what multiplies something else is a gate."""
        for reading, x, out, maker in self._open:
            if len(factors) != 2 or not any(_is_of(f, out(), maker) for f in factors):
                continue
            if reading.kind == "sigmoid" and any(f is not None and f is x() for f in factors):
                reading.kind, reading.region = "silu", region_of("silu", {})
            else:
                reading.is_gate = True

    def clear(self) -> None:
        """Forgets all of them."""
        self._open.clear()
