"""Models that the names of a module do not show: lost to a decorator, nested, or not yet built.

Code under ``if __name__ == "__main__"`` and in functions does not run at import. The classes that
it defines are defined here, and the models that it builds of layers alone are built here.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from torch import nn

from bnlint.domain.objects import home_of, is_a
from bnlint.loading.parsing import Source
from bnlint.models.evidence.plain_values import Later, names_of
from bnlint.models.outline import assigned_names, scopes


def classes_of(module: ModuleType) -> dict[str, type[nn.Module]]:
    """Classes that the module's code has made, by qualified name, whatever holds them now."""
    found: dict[str, type[nn.Module]] = {}
    todo: list[type[nn.Module]] = [nn.Module]
    while todo:
        for cls in todo.pop().__subclasses__():
            todo.append(cls)
            if home_of(cls) == module.__name__ and _is_made_in(cls, module):
                found.setdefault(cls.__qualname__, cls)
    return found


def _is_made_in(cls: type, module: ModuleType) -> bool:
    functions = (v for v in vars(cls).values() if is_a(v, FunctionType))
    return any(f.__globals__ is vars(module) for f in functions)


def partials(module: ModuleType, body: list[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """Names at the top of the file that hold a class with some of its arguments."""
    for name in dict.fromkeys(assigned_names(body)):
        value = vars(module).get(name)
        made = value.func if is_a(value, functools.partial) else None
        if isinstance(made, type) and issubclass(made, nn.Module) and not _is_of_torch(made):
            yield name, value


def _is_of_torch(cls: type) -> bool:
    return home_of(cls).startswith("torch.")


def define_main_classes(module: ModuleType, source: Source) -> tuple[ast.ClassDef, ...]:
    """The classes of models under ``__main__``, which are defined in the module's namespace."""
    found = []
    for branch in source.tree.body:
        if not (isinstance(branch, ast.If) and "__main__" in ast.unparse(branch.test)):
            continue
        for node in branch.body:
            model = (
                isinstance(node, ast.ClassDef) and "Module" in ast.unparse(node).partition(":")[0]
            )
            if model or isinstance(node, (ast.Import, ast.ImportFrom)):
                defined = _run(node, module, source)
                found += [node] if isinstance(node, ast.ClassDef) and defined else []
    return tuple(found)


def unbuilt(module: ModuleType, source: Source) -> Iterator[tuple[str, Later, ast.stmt]]:
    """Models of layers alone that are assigned in code that does not run at import."""
    top = names_of(ast.Module([n for n in source.tree.body if not _is_block(n)], []), vars(module))
    for scope in scopes(source.tree):
        if isinstance(scope, ast.Module):
            continue
        local = names_of(scope, top)
        for node in (n for n in ast.walk(scope) if isinstance(n, ast.Assign)):
            call, name = node.value, getattr(node.targets[0], "id", "")
            value = local.get(name)
            if not (isinstance(value, Later) and value.text == ast.unparse(call)):
                continue  # another model has the name in the end
            if isinstance(call, ast.Call) and _is_container(call, local):
                yield name, value, node


def _is_container(call: ast.Call, names: dict[str, Any]) -> bool:
    try:
        code = compile(ast.Expression(call.func), "<callee>", "eval")
        made = eval(code, {"__builtins__": {}}, names)
    except Exception:
        return False
    return made is nn.Sequential


def _is_block(node: ast.stmt) -> bool:
    return isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.If))


def _run(node: ast.stmt, module: ModuleType, source: Source) -> bool:
    code = compile(ast.Module([node], []), source.path, "exec", dont_inherit=True)
    try:
        exec(code, vars(module))
    except Exception:  # it needs what the code before it made
        return False
    return True
