"""Inputs that are handed on item by item, and inputs by which a layer is chosen."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from torch import nn

from bnlint.models.reading.scope import Namespace
from bnlint.models.reading.use import Use


def spread_items(scope: Namespace, call: ast.Call, parameters: Sequence[str]) -> dict[str, Use]:
    """The items that ``encode(*inputs)`` or ``encode(**inputs)`` passes, by parameter.

    ``parameters`` are those that must be given.
    """
    starred = [n for n, argument in enumerate(call.args) if isinstance(argument, ast.Starred)]
    plain = starred[0] if starred else len(call.args)
    named = {keyword.arg for keyword in call.keywords}
    left = [name for name in parameters[plain:] if name not in named]
    found: dict[str, Use] = {}
    if len(starred) == 1 and plain == len(call.args) - 1:
        spread = call.args[plain]
        if isinstance(spread, ast.Starred) and (use := scope.use(spread.value)) is not None:
            use.length = len(left)
            found |= {name: use.item(place) for place, name in enumerate(left)}
    for keyword in (each for each in call.keywords if each.arg is None):
        if (use := scope.use(keyword.value)) is not None:
            found |= {name: use.item(name) for name in left}
    return found


def note_choice(scope: Namespace, node: ast.Subscript) -> None:
    """``self.heads[task]``: a number or a word by which a layer is chosen.

    ``self.convs[i](x) for i, x in enumerate(maps)`` has as many items as there are layers.
    """
    layers, use = scope.module(node.value), scope.use(node.slice)
    if use is None:
        key = node.slice.id if isinstance(node.slice, ast.Name) else ""
        counted = scope.counters.get(key)
        if counted is not None and isinstance(layers, nn.ModuleList):
            counted.length, counted.iterated = len(layers), True
        return
    if isinstance(layers, nn.ModuleDict):
        use.literals += layers
    elif isinstance(layers, (nn.ModuleList, nn.Sequential)):
        use.counts = use.offset = True
