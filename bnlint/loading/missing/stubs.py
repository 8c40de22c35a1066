"""Third-party packages that are not installed, replaced so that a file imports at all.

What such a package holds are stubs (:mod:`bnlint.loading.missing.stand_ins`), but for dicts of
settings and some layers (:mod:`bnlint.loading.missing.provided`). Once closed, using a stub raises
:class:`StubUsed`: none ever takes part in a trace.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import home_of, is_a
from bnlint.loading.missing.provided import provided
from bnlint.loading.missing.stand_ins import Stub, StubLayer, StubUsed, held_stubs, unknown_names

__all__ = ["Stub", "StubPackage", "StubUsed", "Stubs", "held_stubs"]

_VERSION = "999.0"
"""Newer than any that code asks for."""

USUAL = {
    "torch": torch,
    "nn": nn,
    "F": nn.functional,
    "optim": torch.optim,
    "Tensor": torch.Tensor,
}
"""What packages for teaching let a file import with ``*``, besides their own names."""


FORMER = {("numpy", kind.__name__): kind for kind in (int, float, bool, complex, object, str)}
"""What a name that a package had stood for."""

_add_module = nn.Module.add_module


def _take_layer(self: nn.Module, name: str, module: Any) -> None:
    """Add a layer to a container, also one of a missing package."""
    _add_module(self, name, StubLayer(module) if is_a(module, Stub) else module)


_set_attribute = nn.Module.__setattr__


def _take_attribute(self: nn.Module, name: str, value: Any) -> None:
    """Set an attribute of a module; what a missing package made for it becomes a layer.

    A layer of torch must not get it for one of its sizes: what it computes would be unknown.
    """
    if type(value) is tuple and home_of(type(self)).startswith("torch."):
        for unknown in (each for each in value if is_a(each, Stub)):
            raise unknown._needed()
    made = is_a(value, Stub) and value._bnlint_name.endswith("()")
    _set_attribute(self, name, StubLayer(value) if made else value)


class Stubs(MetaPathFinder, Loader):
    """The packages and names that are replaced; a finder on ``sys.meta_path`` while open.

    ``broken`` are errors of packages that are installed but cannot be imported. ``operators`` are
    those of torch that a package should have brought, by its name. ``replaced`` are packages of
    which names were provided, ``lacking`` those of which names are stubs.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.broken: dict[str, str] = {}
        self.operators: dict[str, list[str]] = {}
        self.replaced: set[str] = set()
        self.lacking: set[str] = set()
        self.closed = False
        self._set: list[tuple[ModuleType, str]] = []

    def add(self, name: str) -> None:
        """Replace the package ``name``, and everything below it, from now on."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        nn.Module.add_module = _take_layer  # type: ignore[method-assign]
        nn.Module.__setattr__ = _take_attribute  # type: ignore[method-assign]
        self.names.append(name)

    def named(self, path: str) -> Iterator[str]:
        """The names that were replaced of which a module is a part."""
        yield from (n for n in self.names if path == n or path.startswith(f"{n}."))

    def add_attribute(self, module: ModuleType, name: str) -> None:
        """Replace one name that an installed package lacks."""
        former = FORMER.get((module.__name__, name)) or provided(module.__name__, name)
        stub = Stub(self, f"{module.__name__}.{name}") if former is None else former
        setattr(module, name, stub)
        self._set.append((module, name))
        self.names.append(f"{module.__name__}.{name}")
        if former is not None:
            self.replaced.add(f"{module.__name__}.{name}")

    def close(self) -> None:
        """Take all stubs out of ``sys``; those that someone still holds raise when used."""
        self.closed = True
        nn.Module.add_module = _add_module  # type: ignore[method-assign]
        nn.Module.__setattr__ = _set_attribute  # type: ignore[method-assign]
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
        if name == "__version__":
            return _VERSION
        if name == "__all__":  # the file imports *
            names = unknown_names(sys._getframe(1).f_code.co_filename)
            self.__dict__.update((n, USUAL[n]) for n in names if n in USUAL)
            return names
        if name.startswith("__"):
            raise AttributeError(name)
        stubs = self.__dict__["_bnlint_stubs"]
        known = provided(self.__name__, name)
        (stubs.lacking if known is None else stubs.replaced).update(stubs.named(self.__name__))
        return Stub(stubs, f"{self.__name__}.{name}") if known is None else known
