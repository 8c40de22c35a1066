"""What a call is named: the layer of the traced graph that makes it, and the n-th call of that."""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn

from bnlint.layers.table import Kind, Table, plain_name
from bnlint.probing.observing.modules import ModuleStack
from bnlint.probing.observing.readings import Key


class Names:
    """Names calls in the order in which they come, like the traced graph names its operations."""

    def __init__(self, model: nn.Module, table: Table) -> None:
        self.stack = ModuleStack(model)
        self.table = table
        self._calls: Counter[str] = Counter()
        self._kinds: dict[type[nn.Module], Kind | None] = {}

    def restart(self) -> None:
        """A new forward: calls count from 0 again."""
        self._calls.clear()

    def key(self, name: str, family: str) -> Key:
        """The layer that makes this call of function ``name``, and how often it has so far."""
        layer = self.layer(name, family)
        call = self._calls[layer]
        self._calls[layer] += 1
        return layer, call

    def layer(self, name: str, family: str) -> str:
        """The running module where it is of ``family``, else the function within it."""
        found = self.stack.layer(lambda m: self._stands(m, family))
        if found is not None:
            return found
        path = self.stack.path
        return f"{path}.{plain_name(name)}()" if path else f"{plain_name(name)}()"

    def kind(self, family: str) -> Kind | None:
        """What the running module is called in the table, if it is of this family."""
        if not self.stack.running:
            return None
        kind = self.of_module(self.stack.running[-1][1])
        return kind if kind is not None and family in kind.tags else None

    def of_module(self, module: nn.Module) -> Kind | None:
        """The kind of a module; looked up once for each class."""
        cls = type(module)
        if cls not in self._kinds:
            self._kinds[cls] = kind_of(module, self.table)
        return self._kinds[cls]

    def _stands(self, module: nn.Module, family: str) -> bool:
        kind = self.of_module(module)
        return kind is not None and family in kind.tags


def kind_of(module: nn.Module, table: Table) -> Kind | None:
    """The kind of a module in the table; None for a scripted one, which has no class of its own."""
    return None if isinstance(module, torch.jit.ScriptModule) else table.of_module(module)


def function_name(func: object) -> str:
    """The name of a function; ``torch.nn.functional.threshold`` calls itself ``_threshold``."""
    name = str(getattr(func, "__name__", ""))
    return name[1:] if name.startswith("_") and not name.startswith("__") else name
