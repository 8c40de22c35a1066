"""Which models, and which classes of models, are the same for a check."""

from __future__ import annotations

from typing import Any

from torch import nn

from bnlint.domain.objects import is_a, written


def with_decorated(cls: type[nn.Module]) -> list[type[nn.Module]]:
    """A class, and the one of the same name that a decorator derived it from."""
    bases = (b for b in cls.__mro__[1:] if b.__name__ == cls.__name__)
    return [cls, *(b for b in bases if getattr(b, "forward", None) is cls.forward)]


def structure(model: nn.Module) -> tuple[Any, ...]:
    """A key that is equal for models of the same classes, paths, shapes and plain settings."""
    simple = (bool, int, float, str, tuple)
    modules = tuple(
        (name, type(m), tuple((k, written(v)) for k, v in vars(m).items() if is_a(v, simple)))
        for name, m in model.named_modules(remove_duplicate=False)
    )
    lazy = nn.parameter.UninitializedParameter
    shapes = tuple(tuple(p.shape) for p in model.parameters() if not isinstance(p, lazy))
    return type(model), modules, shapes
