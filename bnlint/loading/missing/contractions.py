"""Contractions of tensors as opt_einsum offers them, where it is not installed.

Its result is that of ``torch.einsum``: only the order of the steps differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


def contract(equation: str, *operands: Any, **_: Any) -> torch.Tensor:
    """The contraction that an equation describes; keywords choose how it is computed."""
    return torch.einsum(equation, *operands)


def contract_expression(
    equation: str, *shapes: Any, constants: Any = (), **_: Any
) -> Callable[..., torch.Tensor]:
    """A function that contracts what it is given; the constants are among the shapes."""
    constant = {place: shapes[place] for place in constants or ()}

    def contracted(*operands: Any, **_: Any) -> torch.Tensor:
        left = iter(operands)
        taken = [constant[n] if n in constant else next(left) for n in range(len(shapes))]
        return torch.einsum(equation, *taken)

    return contracted


CONTRACTIONS: Mapping[tuple[str, str], Any] = {
    ("opt_einsum", "contract"): contract,
    ("opt_einsum", "contract_expression"): contract_expression,
}
"""What replaces a name of a missing package, by the package and the name."""
