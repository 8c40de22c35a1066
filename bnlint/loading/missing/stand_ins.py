"""What replaces the contents of packages that are not installed: stubs, and bases for classes.

A stub may be called, subclassed, calculated with, used as a decorator or an annotation and asked
for any attribute while the file is imported and its models are built. It has no value: it is no
number, and cannot be a layer.
"""

from __future__ import annotations

import ast
import builtins
import dis
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType, FunctionType, new_class
from typing import Any, Protocol

from torch import nn

from bnlint.domain.objects import is_a
from bnlint.loading.missing.provided import provided
from bnlint.loading.parsing import tree_of_file

_UNPACKING = (dis.opmap["UNPACK_SEQUENCE"], dis.opmap["UNPACK_EX"])


class StubUsed(ImportError):
    """User code needs something of a package that is not installed."""


class Closable(Protocol):
    """What stubs belong to: once it is closed, none of them can be used."""

    names: list[str]
    closed: bool


class StubObject:
    """The base that replaces a missing class."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __init_subclass__(cls, **_: Any) -> None:
        super().__init_subclass__()

    def __class_getitem__(cls, _: Any) -> type:
        return cls


class StubModule(nn.Module):
    """The base that replaces a missing class whose subclass defines ``forward``."""

    _bnlint_stubs: Closable

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            asked_by_torch = sys._getframe(1).f_code.co_filename == nn.modules.module.__file__
            if name.startswith("_") or self._bnlint_stubs.closed or asked_by_torch:
                raise  # torch asks whether a name is free
            return Stub(self._bnlint_stubs, name)


class Stub:
    """A name of a missing package: callable, a decorator, a base class, a context manager.

    Calculations with it return stubs, and comparisons find it newer than anything.
    """

    def __init__(self, stubs: Closable, name: str) -> None:
        self.__dict__.update(_bnlint_stubs=stubs, _bnlint_name=name)

    def __repr__(self) -> str:
        return f"<stub of {self._bnlint_name}>"

    def __format__(self, _: str) -> str:
        return repr(self)

    def __fspath__(self) -> str:
        return repr(self)

    def __deepcopy__(self, _: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name in ("__name__", "__qualname__"):
            return self._bnlint_name.rpartition(".")[2]
        if name == "__version__":
            return self._more(name)
        if name.startswith("__"):
            raise AttributeError(name)
        known = provided(self._bnlint_name, name)
        return self._more(f".{name}") if known is None else known

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Another stub; a decorator returns what it decorates, a metaclass makes a class."""
        made = self._more("()")
        if kwargs or not args:
            return made
        if len(args) == 1:
            return args[0] if _is_decorated(args[0]) else made
        if tuple(map(type, args)) == (str, tuple, dict):
            return new_class(args[0], args[1], {}, lambda space: space.update(args[2]))
        return made

    def __getitem__(self, _: Any) -> Any:
        return self._more("[]")

    def __setitem__(self, *_: Any) -> None:
        self._more("[]")

    def __delitem__(self, _: Any) -> None:
        self._more("[]")

    def __iter__(self) -> Iterator[Any]:
        """As many stubs as names wait for them; a loop, which would never end, finds none.

        A layer of torch must not get it for the sizes of its kernel: it would have none.
        """
        if sys._getframe(1).f_globals.get("__name__") == "torch.nn.modules.utils":
            raise self._needed()
        inside = self._more("[]")
        return iter([inside] * _unpacked(sys._getframe(1)))

    def __len__(self) -> int:
        """No number: a model must not get it for a size."""
        self._more("()")
        raise TypeError(f"the length of {self._bnlint_name} is not known")

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Any:
        return self._more("()")

    def __exit__(self, *_: Any) -> None:
        return None

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """A base of its own; a model's class becomes a module, unless another base is one."""
        frame = sys._getframe(1)
        known = any(isinstance(other, type) and issubclass(other, nn.Module) for other in bases)
        model = not known and _defines_forward(frame.f_code.co_filename, frame.f_lineno)
        base = StubModule if model else StubObject
        name = self._bnlint_name.rpartition(".")[2] or "Stub"
        return (type(name, (base,), {"_bnlint_stubs": self._bnlint_stubs}),)

    def __instancecheck__(self, _: Any) -> bool:
        return False

    def __subclasscheck__(self, _: Any) -> bool:
        return False

    def _more(self, suffix: str) -> Stub:
        if self.__dict__["_bnlint_stubs"].closed:
            raise self._needed()
        return Stub(self.__dict__["_bnlint_stubs"], self.__dict__["_bnlint_name"] + suffix)

    def _needed(self) -> StubUsed:
        stubs, name = self.__dict__["_bnlint_stubs"], self.__dict__["_bnlint_name"]
        top = name.split(".")[0]
        why = "is not installed" if top in stubs.names else "could not be imported"
        return StubUsed(f"{name} is needed, and {top} {why}")


class StubLayer(nn.Module):
    """The place of a missing layer in a model; no trace goes through it."""

    def __init__(self, stub: Stub) -> None:
        super().__init__()
        self.__dict__["stub"] = stub

    def __getattr__(self, name: str) -> Any:
        """An attribute of the missing layer; while a model is traced, a method is its call."""
        if name.startswith("__"):
            raise AttributeError(name)
        stub = self.__dict__["stub"]
        return self.__call__ if stub._bnlint_stubs.closed else getattr(stub, name)

    def forward(self, *inputs: Any, **_: Any) -> Any:
        """What the missing layer would make of its inputs: nothing that is known."""
        return self.stub(*inputs)


def _calculates(self: Stub, *_: Any) -> Any:
    return self._more("()")


def _is_newer(self: Stub, _: Any) -> bool:
    self._more("()")
    return True  # version checks ask for "at least"


def _is_older(self: Stub, _: Any) -> bool:
    self._more("()")
    return False


_BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "divmod")
_BITS = ("lshift", "rshift", "and", "or", "xor")
for _name in (*_BINARY, *_BITS):
    for _form in (_name, f"r{_name}", f"i{_name}"):
        setattr(Stub, f"__{_form}__", _calculates)
for _name in ("neg", "pos", "abs", "invert", "round"):
    setattr(Stub, f"__{_name}__", _calculates)
for _name, _answer in (("ge", _is_newer), ("gt", _is_newer), ("le", _is_older), ("lt", _is_older)):
    setattr(Stub, f"__{_name}__", _answer)


def unknown_names(path: str) -> list[str]:
    """The names that a file uses without defining or importing them."""
    tree = tree_of_file(path)
    if tree is None:
        return []
    used: dict[str, None] = {}
    known = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            known.add(node.id) if isinstance(node.ctx, ast.Store) else used.setdefault(node.id)
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            known.add(node.name)
        elif isinstance(node, ast.alias):
            known.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.arg):
            known.add(node.arg)
    return [name for name in used if name not in known and not name.startswith("__")]


def held_stubs(model: nn.Module) -> Iterator[str]:
    """The names of stubs that a model's modules hold as attributes; layers are parts instead."""
    for module in (m for m in model.modules() if not is_a(m, StubLayer)):
        for value in vars(module).values():
            if is_a(value, Stub):
                yield value._bnlint_name


def _is_decorated(value: Any) -> bool:
    """True for a function or a class, but not a metaclass."""
    return is_a(value, FunctionType) or (is_a(value, type) and not issubclass(value, type))


def _unpacked(frame: FrameType) -> int:
    """How many names the instruction that asks for an iterator unpacks it into, else 0."""
    code, at = frame.f_code.co_code, frame.f_lasti
    return code[at + 1] if 0 <= at < len(code) and code[at] in _UNPACKING else 0


def _defines_forward(path: str, line: int) -> bool:
    """True if the class statement at this line has a ``forward``: then it is a model's class."""
    return any(first <= line <= last for first, last in _model_classes(path))


@lru_cache(maxsize=64)
def _model_classes(path: str) -> tuple[tuple[int, int], ...]:
    tree = tree_of_file(path)
    if tree is None:
        return ()
    return tuple(
        (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.body[0].lineno - 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and any(
            isinstance(item, ast.FunctionDef) and item.name in ("forward", "training_step")
            for item in node.body
        )
    )
