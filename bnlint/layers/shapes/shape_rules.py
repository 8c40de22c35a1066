"""Where shape rules register, and what they may be sure of: torch's own forward, plain tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from bnlint.domain.objects import home_of

if TYPE_CHECKING:
    import torch
    from torch import nn

LayerRule = Callable[..., Any]
FunctionRule = Callable[..., "torch.Tensor | None"]
_Rule = TypeVar("_Rule", bound=Callable[..., Any])

_LAYERS: dict[str, LayerRule] = {}
_FUNCTIONS: dict[str, FunctionRule] = {}
_INPUTS: dict[LayerRule, int] = {}
by_target: dict[Any, FunctionRule | None] = {}
"""The rules of functions that were asked for before."""
_by_class: WeakKeyDictionary[type, LayerRule | None] = WeakKeyDictionary()


def for_layers(*classes: str, inputs: int = 1) -> Callable[[_Rule], _Rule]:
    """Registers a rule ``(layer, x)`` for these classes of ``torch.nn`` and their subclasses.

    With more ``inputs``, the rule also takes calls with up to so many.
    """

    def register(rule: _Rule) -> _Rule:
        _INPUTS[rule] = inputs
        _LAYERS.update(dict.fromkeys(classes, rule))
        _by_class.clear()
        return rule

    return register


def for_functions(*names: str) -> Callable[[_Rule], _Rule]:
    """Registers a rule that takes the call's arguments, by names of functions or methods."""

    def register(rule: _Rule) -> _Rule:
        _FUNCTIONS.update(dict.fromkeys(names, rule))
        by_target.clear()
        return rule

    return register


def layer_rule(cls: type) -> LayerRule | None:
    """The rule for a class, by the first of its base classes that has one."""
    if cls not in _by_class:
        own = (b.__name__ for b in cls.__mro__ if home_of(b).startswith("torch.nn.modules."))
        _by_class[cls] = next((_LAYERS[name] for name in own if name in _LAYERS), None)
    return _by_class[cls]


def most_inputs(rule: LayerRule) -> int:
    """The number of inputs up to which a rule for layers answers."""
    return _INPUTS.get(rule, 1)


def function_rule(name: str) -> FunctionRule | None:
    """The rule for a function or tensor method of that name."""
    return _FUNCTIONS.get(name)


def is_plain_tensor(value: Any) -> bool:
    """True for a tensor on meta that is no subclass of its own and has elements.

    Operations differ in whether they take tensors without any.
    """
    import torch  # fast, unlike ``from torch.x import y``, which would take most of a rule's time

    plain = type(value) in (torch.Tensor, torch.nn.Parameter) and value.is_meta
    return plain and bool(value.numel())


def is_plain_module(module: nn.Module) -> bool:
    """True for a layer that runs torch's own forward, without hooks or missing parameters."""
    import torch

    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        return False
    home: str = home_of(type(module).forward)
    if not home.startswith("torch.nn.modules."):
        return False
    is_lazy = torch.nn.parameter.is_lazy
    return not any(p is not None and is_lazy(p) for p in module._parameters.values())


def like(x: torch.Tensor, shape: Iterable[int]) -> torch.Tensor:
    """A new empty tensor of a shape and of the same type.

    It is contiguous: views of it that code takes later must not fail for strides that only the
    real operation would know.
    """
    import torch

    return torch.empty(tuple(shape), dtype=x.dtype, device="meta")


@lru_cache(maxsize=512)
def takes(target: Any, count: int, names: tuple[str, ...]) -> bool:
    """True if a function surely takes that many arguments, and those names.

    Functions that are not written in Python do not say, so they get no more than a tensor.
    """
    if count == 1 and not names:
        return True
    if isinstance(target, str) or not inspect.isfunction(target):
        return False
    try:
        inspect.signature(target).bind(*(None,) * count, **dict.fromkeys(names))
    except (TypeError, ValueError):
        return False
    return True


def several(value: Any, count: int) -> tuple[int, ...] | None:
    """A size given once or for every axis, for ``count`` axes; None for anything else."""
    if isinstance(value, int):
        return (value,) * count
    if isinstance(value, (tuple, list)) and all(isinstance(v, int) for v in value):
        return tuple(value) * count if len(value) == 1 else tuple(value)
    return None
