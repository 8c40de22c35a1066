"""Shapes by formula for the common operations, without running them on the meta device.

There, the first convolution imports sympy (.2 s), the first addition torch's compiler (.8 s), and
a batch norm is decomposed into a dozen steps: more than all the rest of a run. A rule covers only
what it is sure of (torch's own layer or function, plain floating tensors); everything else really
runs. To add a rule, write one function with :func:`for_layers` or :func:`for_functions`.
``tests/unit/layers/test_shapes.py`` compares every rule with the real operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bnlint.domain.objects import home_of
from bnlint.layers.calls import is_module, name_of
from bnlint.layers.shapes import elementwise, recurrent, resizing
from bnlint.layers.shapes.shape_rules import (
    FunctionRule,
    by_target,
    function_rule,
    is_plain_module,
    is_plain_tensor,
    layer_rule,
    most_inputs,
    takes,
)
from bnlint.layers.table import builtin_table, having

if TYPE_CHECKING:
    from torch import nn

__all__ = ["elementwise", "quick", "recurrent", "resizing"]


def quick(target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result of the call with the right shapes, or None where no rule is sure.

    Raises
    ------
    RuntimeError, ValueError, IndexError
        Where the operation itself would, because the shapes do not fit.

    """
    if not args:
        return None
    if is_module(target):
        return _layer(target, args, kwargs)
    rule = _function(target)
    if rule is None:
        return None
    if rule is elementwise.unary and not takes(target, len(args), tuple(kwargs)):
        return None
    try:
        return rule(*args, **kwargs)
    except TypeError:  # torch.dropout(x, p, train) takes other names than F.dropout does
        return None


def _function(target: Any) -> FunctionRule | None:
    """The rule for a function of torch or Python, or for the tensor method that a string names."""
    try:
        return by_target[target]
    except KeyError:
        found = by_target[target] = _find(target)
        return found
    except TypeError:  # a callable that cannot be a key
        return _find(target)


def _find(target: Any) -> FunctionRule | None:
    name = name_of(target)
    rule = function_rule(name)
    if rule is None and _is_pointwise(builtin_table().functions.get(name)):
        rule = elementwise.unary
    home = None if isinstance(target, str) else home_of(target)
    return rule if (home or "torch").startswith(("torch", "_operator")) else None


def _layer(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if kwargs or not is_plain_module(module):
        return None
    rule = layer_rule(type(module))
    if rule is not None and (most := most_inputs(rule)) > 1:  # it looks at them itself
        return rule(module, *args) if len(args) <= most else None
    if len(args) != 1 or not is_plain_tensor(args[0]):
        return None
    if rule is None:
        kind = builtin_table().of_module(module)
        rule = elementwise.layer if kind and _is_pointwise(kind.name) else None
    return rule(module, args[0]) if rule else None


def _is_pointwise(kind: str | None) -> bool:
    return kind in having("acts", "pointwise")
