"""Whether a tensor that enters an activation is data: it can be read, and samples make it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NODES = 16
"""So far back an origin is looked for; what is longer is taken for data."""

SIMPLE = tuple(
    f"{name}Backward"
    for name in (
        *("Mul", "Add", "Sub", "Rsub", "Div", "Neg", "Exp", "Pow"),
        *("View", "Unsqueeze", "Squeeze", "Expand", "Reshape", "Permute", "Transpose", "T"),
        *("Select", "Slice"),
    )
)
"""Operations that make nothing but another parameter of a parameter."""


def closed_to(x: Any) -> str | None:
    """Why a tensor cannot be reduced: empty if it can; None if it is no tensor, or an empty one."""
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
    """True where no sample has a part in ``x``: a parameter, or what simple arithmetic makes of it.

    In autograd's record an input looks like a number; the one that leaves a shape which does not go
    by the ``samples`` is taken for a number.
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
