"""Modules of libraries that are changed right after they were imported.

None is imported for it, so that what no file needs costs nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

Changes = Mapping[str, Callable[[Any], None]]
"""What is done to each module, by its name."""


def change_on_import(changes: Changes) -> bool:
    """Change these modules when they are imported, for good; False if that was asked before.

    Those that are imported already are changed now.
    """
    if any(isinstance(f, _Changed) and f.changes is changes for f in sys.meta_path):
        return False
    sys.meta_path.insert(0, _Changed(changes))
    for name in changes.keys() & sys.modules.keys():
        changes[name](sys.modules[name])
    return True


class _Changed(MetaPathFinder):
    """Finds the modules that are changed, and changes them once they have run."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The ordinary spec, with a loader that changes the module."""
        if fullname not in self.changes:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Changing(spec.loader, self.changes[fullname])
        return spec


class _Changing(Loader):
    def __init__(self, loader: Loader, change: Callable[[Any], None]) -> None:
        self._loader, self._change = loader, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)
