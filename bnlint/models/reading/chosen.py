"""Which layers an input of a forward chooses: ``self.heads[task](x)``."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache

from bnlint.models.outline import names_read
from bnlint.models.reading.forward_code import function_tree, parameters_of


@lru_cache(maxsize=4096)
def chosen_by_inputs(cls: type) -> frozenset[str]:
    """The attributes of a class whose items its forward reads by an input."""
    forward = getattr(cls, "forward", None)
    tree = function_tree(inspect.unwrap(forward)) if inspect.isfunction(forward) else None
    if tree is None:
        return frozenset()
    inputs = set(parameters_of(tree))
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name(id="self"), attr=attr), slice=key
            ):
                names = names_read(key)
                if names & inputs:
                    found.add(attr)
    return frozenset(found)
