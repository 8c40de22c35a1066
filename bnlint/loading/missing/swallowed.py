"""Missing packages whose import fails without a word: ``try: from p import f``, ``except: pass``.

Its names stay undefined, so that every forward that calls one of them fails. They are provided
where all of them can be; a file that has something else instead gets what it says.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

from bnlint.loading.missing.provided import PACKAGES, provided
from bnlint.loading.missing.stubs import Stubs
from bnlint.loading.parsing import tree_of_file


class SwallowedImports(MetaPathFinder):
    """Finds, after all other finders, what such an import asks for; ``stubs`` take it from then."""

    def __init__(self, stubs: Stubs) -> None:
        self.stubs = stubs

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Find packages inside the block."""
        sys.meta_path.append(self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for a package of which a swallowed import asks what is provided."""
        at = _importer(sys._getframe(1)) if fullname in PACKAGES else None
        if at is None or _swallowed(at.f_code.co_filename).get(at.f_lineno) != fullname:
            return None
        self.stubs.add(fullname)
        return self.stubs.find_spec(fullname)


def _importer(frame: FrameType | None) -> FrameType | None:
    """The frame of the import statement."""
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame


@lru_cache(maxsize=256)
def _swallowed(path: str) -> dict[int, str]:
    """The package that each swallowed import of a file asks for, by its line."""
    tree = tree_of_file(path)
    if tree is None:
        return {}
    tries = (node for node in ast.walk(tree) if isinstance(node, ast.Try) and _does_nothing(node))
    return {
        statement.lineno: statement.module.partition(".")[0]
        for node in tries
        for statement in node.body
        if isinstance(statement, ast.ImportFrom) and statement.module and not statement.level
        if all(provided(statement.module, alias.name) is not None for alias in statement.names)
    }


def _does_nothing(node: ast.Try) -> bool:
    """True if an error goes by without a word to the program; a message may be printed."""
    return all(isinstance(s, (ast.Pass, ast.Expr)) for h in node.handlers for s in h.body)
