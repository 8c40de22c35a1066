"""A copy of a model as an fx.GraphModule whose layers are those that bnlint knows."""

from __future__ import annotations

import copy
from typing import Any

from torch import fx, nn

from bnlint.domain.errors import Mistake, UsageError
from bnlint.layers.table import Table, is_leaf


class _Tracer(fx.Tracer):
    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_leaf(m, self._table)


def to_graph_module(model: nn.Module, table: Table) -> fx.GraphModule:
    """The model's copy as a GraphModule, with its weights, on its device and in its modes.

    Raises
    ------
    UsageError
        When fx cannot trace it as a whole.

    """
    if patched := [n for n, m in model.named_modules() if "forward" in vars(m)]:
        raise UsageError(_untraceable(f"forward of {patched[0] or 'it'} is replaced"))
    twin = copy.deepcopy(model)
    try:
        graph = _Tracer(table).trace(twin)
    except Exception as error:  # the user's forward may raise anything
        raise UsageError(_untraceable(str(error).partition("\n")[0])) from error
    made: Any = fx.GraphModule(twin, graph, type(model).__name__)
    made.training = model.training
    return made  # type: ignore[no-any-return]


def _untraceable(reason: str) -> Mistake:
    hint = "`bnlint --fix` mends the source instead, whatever forward does"
    return Mistake(f"torch.fx cannot trace the model, so it is not repaired: {reason}", hint=hint)
