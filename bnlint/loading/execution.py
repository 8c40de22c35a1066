"""The text of a module run statement by statement, so that one that fails costs only itself.

As long as nothing failed, the result is that of an ordinary import. After a failure only harmless
statements run: imports, definitions, assignments, and calls that only add to something.
"""

from __future__ import annotations
import __future__

import ast
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from bnlint.loading.patience import Patience

Rescue = Callable[[ast.stmt, BaseException], bool]
"""Decides whether a statement that failed is tried again."""

Around = Callable[[ast.stmt], AbstractContextManager[object]]
"""A context in which a statement runs."""

_RETRIES = 40

_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_HARMLESS = (
    *(*_DEFINITIONS, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign),
    *(ast.Pass, ast.Delete, ast.Raise),
)
_COMPOUND = (ast.If, ast.Try, ast.With, ast.Match)
_ADDING = frozenset(
    {
        *("add", "add_argument", "add_module", "append", "extend", "insert", "register"),
        *("set_defaults", "setdefault", "update"),
    }
)
"""Methods that only add to what they are called on."""


@dataclass(frozen=True, slots=True)
class FailedStatement:
    """A statement that failed: its error, and the names that it would have defined."""

    statement: ast.stmt
    error: BaseException

    @property
    def defined(self) -> tuple[str, ...]:
        """The name of the class or function; empty for other statements."""
        return (self.statement.name,) if isinstance(self.statement, _DEFINITIONS) else ()


@dataclass(slots=True)
class Script:
    """A text with the names it defines; ``left_out`` are statements skipped after a failure."""

    path: str
    tree: ast.Module
    names: dict[str, Any]
    patience: Patience
    around: Around = nullcontext
    failures: list[FailedStatement] = field(default_factory=list)
    left_out: list[ast.stmt] = field(default_factory=list)

    def run(self, rescue: Rescue) -> None:
        """Run all statements; one that fails is noted unless it can be rescued."""
        flags = _future_flags(self.tree)
        for number, node in enumerate(self.tree.body):
            if number and _is_text(node):
                continue  # only the first one is the module's docstring
            if self.failures and not is_harmless(node):
                self.left_out.append(node)
            elif (error := self._error(node, flags, rescue)) is not None:
                self.failures.append(FailedStatement(node, error))

    def _error(self, node: ast.stmt, flags: int, rescue: Rescue) -> BaseException | None:
        """The error that a statement ends with, None if it succeeds in the end."""
        error: BaseException | None = None
        with self.around(node):
            for _ in range(_RETRIES):
                try:
                    code = _compiled(node, self.path, flags)
                    with self.patience.during(node):
                        exec(code, self.names)
                    return None
                except BaseException as raised:  # SystemExit and KeyboardInterrupt are the file's
                    error = raised
                    if not rescue(node, raised):
                        break
        return error


def is_harmless(node: ast.stmt) -> bool:
    """True for a statement that only defines or adds something."""
    if isinstance(node, _COMPOUND):
        return all(map(is_harmless, _inner(node)))
    if isinstance(node, ast.Expr):
        func = node.value.func if isinstance(node.value, ast.Call) else None
        adds = isinstance(func, ast.Attribute) and func.attr in _ADDING
        return adds or _is_text(node)
    return isinstance(node, _HARMLESS) or _is_main_guard(node)


def _inner(node: ast.stmt) -> Iterator[ast.stmt]:
    """The statements directly inside a compound one; none for a block that is not run."""
    if _is_main_guard(node):
        return
    for name in ("body", "orelse", "finalbody"):
        yield from getattr(node, name, [])
    for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
        yield from part.body


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) and not node.orelse


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _compiled(node: ast.stmt, path: str, flags: int) -> CodeType:
    module = ast.Module([node], [])
    code: CodeType = compile(module, path, "exec", flags=flags, dont_inherit=True)
    return code


def _future_flags(tree: ast.Module) -> int:
    """What ``from __future__`` statements ask for, since each statement is compiled by itself."""
    flags = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            features = (getattr(__future__, alias.name, None) for alias in node.names)
            flags |= sum(feature.compiler_flag for feature in features if feature is not None)
    return flags
