"""What made a tensor, as autograd recorded it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

PASSES = (
    *("View", "Squeeze", "Unsqueeze", "Permute", "Transpose", "Alias", "Clone", "ToCopy"),
    *("Select", "Slice", "Expand", "UnsafeView", "Reshape", "TBackward"),
)
"""How the names of autograd nodes begin that only reshape."""

JOINS = ("Cat", "Stack", "Split", "Unbind", "Index")
ARITHMETIC = ("Mul", "Add", "Sub", "Rsub", "Div", "Pow", "Neg")
"""The same for operations that put tensors together, and for those with a constant."""

NODES = 64
"""Maximum number of autograd nodes looked at behind an output."""


def origins(output: Tensor) -> list[Any]:
    """The autograd nodes that made parts of ``output``, looking through what only puts together.

    A detector concatenates its heads, and scales a sigmoid by constants.
    """
    waiting: list[Any] = [output.grad_fn]
    found: list[Any] = []
    while waiting and len(found) < NODES:
        node = waiting.pop()
        before = [n for n, _ in node.next_functions if n is not None] if node is not None else []
        if node is not None:
            found.append(node)
            name = node.name()
            if name.startswith((*PASSES, *JOINS)) or (
                name.startswith(ARITHMETIC) and len(before) == 1
            ):
                waiting += before
    return found


def origin(output: Tensor) -> Any:
    """The autograd node that made ``output``, looking through reshapes."""
    node = output.grad_fn
    while node is not None and node.name().startswith(PASSES) and node.next_functions:
        node = node.next_functions[0][0]
    return node
