"""Stand-ins for third-party packages that are not installed, so that a file imports at all.

A stub may be called, subclassed, used as a decorator and asked for any attribute while the file is
imported and its models are built. Once closed, using one raises :class:`StubUsed`: no stub ever
takes part in a trace.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import linecache
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from types import FunctionType, ModuleType
from typing import Any

from torch import nn


class StubUsed(ImportError):
    """User code needs something of a package that is not installed."""


class Stubs(MetaPathFinder, Loader):
    """The packages and names that are replaced; a finder on ``sys.meta_path`` while open.

    ``broken`` are errors of packages that are installed but cannot be imported. ``operators`` are
    those of torch that a package should have brought, by its name.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.broken: dict[str, str] = {}
        self.operators: dict[str, list[str]] = {}
        self.closed = False
        self._set: list[tuple[ModuleType, str]] = []

    def add(self, name: str) -> None:
        """Replace the package ``name``, and everything below it, from now on."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        self.names.append(name)

    def add_attribute(self, module: ModuleType, name: str) -> None:
        """Replace one name that an installed package lacks."""
        setattr(module, name, Stub(self, f"{module.__name__}.{name}"))
        self._set.append((module, name))
        self.names.append(f"{module.__name__}.{name}")

    def close(self) -> None:
        """Take all stubs out of ``sys``; those that someone still holds raise when used."""
        self.closed = True
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name, module in list(sys.modules.items()):
            if isinstance(module, StubPackage):
                del sys.modules[name]
                parent, _, child = name.rpartition(".")
                owner = sys.modules.get(parent)
                if owner is not None and vars(owner).get(child) is module:
                    delattr(owner, child)
        for owner, name in self._set:
            vars(owner).pop(name, None)

    @contextlib.contextmanager
    def unusable(self) -> Iterator[None]:
        """Let every stub raise while a model is traced: none may take part."""
        before, self.closed = self.closed, True
        try:
            yield
        finally:
            self.closed = before

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for a replaced package or a part of one."""
        if any(fullname == n or fullname.startswith(n + ".") for n in self.names):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """An empty stub package."""
        return StubPackage(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


class StubPackage(ModuleType):
    """A replaced package: every public name in it is a stub."""

    def __init__(self, name: str, stubs: Stubs) -> None:
        super().__init__(name)
        self.__dict__["_bnlint_stubs"] = stubs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(self.__dict__["_bnlint_stubs"], f"{self.__name__}.{name}")


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

    _bnlint_stubs: Stubs

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_") or self._bnlint_stubs.closed:
                raise
            return Stub(self._bnlint_stubs, name)


class Stub:
    """A name of a missing package: callable, a decorator, a base class, a context manager."""

    def __init__(self, stubs: Stubs, name: str) -> None:
        self.__dict__.update(_bnlint_stubs=stubs, _bnlint_name=name)

    def __repr__(self) -> str:
        return f"<stub of {self._bnlint_name}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._more(f".{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Another stub; a decorator returns what it decorates."""
        made = self._more("()")
        decorates = len(args) == 1 and not kwargs and isinstance(args[0], (FunctionType, type))
        return args[0] if decorates else made

    def __getitem__(self, _: Any) -> Any:
        return self._more("[]")

    def __iter__(self) -> Iterator[Any]:
        return iter(())  # with items by number alone, a loop over a stub would never end

    def __enter__(self) -> Any:
        return self._more("()")

    def __exit__(self, *_: Any) -> None:
        return None

    def __mro_entries__(self, _: tuple[Any, ...]) -> tuple[type, ...]:
        frame = sys._getframe(1)
        if _defines_forward(frame.f_code.co_filename, frame.f_lineno):
            name = self._bnlint_name.rpartition(".")[2] or "Stub"
            return (type(name, (StubModule,), {"_bnlint_stubs": self._bnlint_stubs}),)
        return (StubObject,)

    def __instancecheck__(self, _: Any) -> bool:
        return False

    def __subclasscheck__(self, _: Any) -> bool:
        return False

    def __or__(self, _: Any) -> Any:
        return self._more("|")

    __ror__ = __or__

    def __ge__(self, _: Any) -> bool:
        return True  # version checks ask for "at least"

    __gt__ = __ge__

    def __lt__(self, _: Any) -> bool:
        return False

    __le__ = __lt__

    def _more(self, suffix: str) -> Stub:
        stubs, name = self.__dict__["_bnlint_stubs"], self.__dict__["_bnlint_name"]
        if stubs.closed:
            raise StubUsed(f"{name} is needed, and {name.split('.')[0]} is not installed")
        return Stub(stubs, name + suffix)


def held_stubs(model: nn.Module) -> Iterator[str]:
    """The names of stubs that a model's modules hold as attributes."""
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, Stub):
                yield value._bnlint_name


def _defines_forward(path: str, line: int) -> bool:
    """True if the class statement at this line has a ``forward``: then it is a model's class."""
    return any(first <= line <= last for first, last in _model_classes(path))


@lru_cache(maxsize=64)
def _model_classes(path: str) -> tuple[tuple[int, int], ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except SyntaxError:
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
