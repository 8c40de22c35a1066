"""One executed operation as plain data: what was called, with what, from where, and its result."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any, TypeGuard

from bnlint.domain.objects import home_of

if TYPE_CHECKING:
    from torch import nn

Frames = tuple[tuple[CodeType, int], ...]
"""Where something happened: ``(code, instruction)`` pairs, innermost first."""


class Unseen(enum.Enum):
    """The value of a call that was not run."""

    UNSEEN = "unseen"


UNSEEN = Unseen.UNSEEN

RAISED = "raise"
"""The target of a call that represents a line that ended the forward with an error."""

_LIKE_ANOTHER = frozenset({"type_as", "to", "view_as", "reshape_as", "expand_as"})
"""Functions that take the type or the shape of their second argument, and no more."""


@dataclass(frozen=True, slots=True)
class Ref:
    """The result of an earlier call, in the place of the tensor in the arguments.

    ``item`` is the position among the tensors of the result, where it has several.
    """

    id: str
    item: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """A parameter, buffer or constant tensor, in its place in the arguments."""

    path: str
    shape: tuple[int, ...]
    parameter: bool = False
    tensor: Any = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Call:
    """One executed operation.

    ``target`` is a leaf module, a function, or the name of a tensor method; ``"input"`` and
    ``"boundary"`` are what enters a model and the edge of a part that was traced alone.
    ``owner`` is the path of the module whose forward makes the call, ``path`` the leaf's own.
    ``value`` is its result on the meta device, where it was run. ``role`` is ``op``, ``number``
    for sizes and what is computed from them, or ``pick`` for taking an element of a tuple result.
    ``also`` are results whose numbers Python read, and from which it made the values of this one.
    ``kept`` is true if the result is used beside the data flow: Python read its numbers, or a
    module keeps it. ``recomputed`` is true inside of ``torch.utils.checkpoint``.
    """

    id: str
    target: nn.Module | Callable[..., Any] | str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    owner: str = ""
    path: str | None = None
    frames: Frames = ()
    grad: bool = True
    held: str = ""
    opaque: bool = False
    role: str = "op"
    value: Any = UNSEEN
    error: str | None = None
    also: tuple[Ref, ...] = ()
    kept: bool = False
    recomputed: bool = False
    _refs: tuple[Ref, ...] | None = field(default=None, init=False, repr=False, compare=False)

    def refs(self) -> Sequence[Ref]:
        """The results it reads, in the order of its arguments."""
        if self._refs is None:
            found: list[Ref] = []
            _find_refs(self.args, found)
            _find_refs(self.kwargs, found)
            found += self.also
            self._refs = tuple(found)
        return self._refs

    def redirect(self, change: Callable[[Any], Any]) -> None:
        """Replace every Ref and State among the arguments by ``change`` of it."""
        self.args = replace_refs(self.args, change)
        self.kwargs = replace_refs(self.kwargs, change)
        self.also = replace_refs(self.also, change)
        self._refs = None

    def data(self) -> Sequence[Ref]:
        """The results whose numbers it reads: in ``x.type_as(y)``, those of ``x`` alone."""
        if is_module(self.target) or name_of(self.target) not in _LIKE_ANOTHER:
            return self.refs()
        found: list[Ref] = []
        _find_refs(self.args[:1], found)
        return found


_FUNCTIONS = (
    MethodDescriptorType,
    FunctionType,
    BuiltinFunctionType,
    WrapperDescriptorType,
)
"""Functions and methods of torch and Python, which all have a plain name."""


def _find_refs(value: Any, found: list[Ref]) -> None:
    if isinstance(value, Ref):
        found.append(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _find_refs(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _find_refs(item, found)
    elif isinstance(value, slice):
        _find_refs((value.start, value.stop, value.step), found)


def replace_refs(value: Any, replace: Callable[[Any], Any]) -> Any:
    """``value`` with every Ref and State in it replaced by ``replace`` of it."""
    if isinstance(value, (Ref, State)):
        return replace(value)
    if isinstance(value, tuple):
        return tuple(replace_refs(v, replace) for v in value)
    if isinstance(value, list):
        return [replace_refs(v, replace) for v in value]
    if isinstance(value, dict):
        return {k: replace_refs(v, replace) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(*(replace_refs(v, replace) for v in (value.start, value.stop, value.step)))
    return value


def is_module(target: Any) -> TypeGuard[nn.Module]:
    """True for a layer, false for a function or the name of a tensor method."""
    torch = sys.modules.get("torch")  # without it, there is no layer
    return torch is not None and isinstance(target, torch.nn.Module)


def schema_of(target: Any) -> Any:
    """The schema of an operator that an exported graph calls; None for any other target."""
    return getattr(target, "_schema", None) if type(target).__name__ == "OpOverload" else None


def name_of(target: Any) -> str:
    """The plain name of a function or a layer's class, or the tensor method a string names.

    ``conv2d`` for the operator ``aten.conv2d.default``.
    """
    if isinstance(target, _FUNCTIONS):
        return target.__name__
    if isinstance(target, str):
        return target
    if is_module(target):
        return type(target).__name__
    name = str(getattr(target, "__name__", type(target).__name__))
    return name.partition(".")[0] if schema_of(target) is not None else name


def dotted_name(target: Any) -> str:
    """The dotted name of a function or tensor method."""
    if isinstance(target, str):
        return f"torch.Tensor.{target}"
    module = home_of(target) or "torch"
    return f"{module}.{name_of(target)}"


def frees(target: Any, args: tuple[Any, ...]) -> bool:
    """True for ``x.set_()``: it frees the memory of a tensor, whose shape still counts."""
    return len(args) == 1 and name_of(target) == "set_"
