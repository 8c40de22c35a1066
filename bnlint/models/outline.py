"""What the text of a file says of its definitions: which return models, which are parts of others.

Nothing is imported or called here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from torch import nn

Definition = ast.ClassDef | ast.FunctionDef


def definitions(tree: ast.Module) -> dict[str, Definition]:
    """Classes and functions at the top of the file or under an ``if`` or ``try``, by name."""
    top = {n.name: n for n in tree.body if isinstance(n, Definition)}
    return top | {n.name: n for n in _nested(tree) if n.name not in top}


def definition_named(tree: ast.Module, name: str) -> Definition | None:
    """The first class or function of that name anywhere in the file."""
    nodes = (n for n in ast.walk(tree) if isinstance(n, Definition))
    return next((n for n in nodes if n.name == name), None)


def assigned_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names assigned at the top of the file, also inside ``if``, ``try``, ``with`` and ``for``."""
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For)):
            yield from assigned_names(node.body)
            yield from assigned_names(getattr(node, "orelse", []))


def factories(defined: dict[str, Definition], classes: set[str]) -> dict[str, str]:
    """Functions that return a model, by annotation or by what they return, and what they call.

    A factory is mapped to the class or function that it calls in the end.
    """
    functions = {n: d for n, d in defined.items() if isinstance(d, ast.FunctionDef)}
    roots: dict[str, str] = {}
    for _ in range(4):  # factories that return other factories' results
        for name, node in functions.items():
            if name not in roots and (root := _root(node, classes, roots)):
                roots[name] = root
    return roots


def parts(tree: ast.Module, classes: set[str]) -> set[str]:
    """Names that a class of the file uses, or that are passed on as an argument."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in classes:
            used = {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)}
            found |= used - {node.name}
        elif isinstance(node, ast.FunctionDef):
            found |= set(_passed_on(node)) & classes
    return found


def helpers(tree: ast.Module) -> set[str]:
    """Names that other functions and classes use, such as ``conv3x3(in, out)``."""
    return {
        used.id
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        for used in ast.walk(node)
        if isinstance(used, ast.Name) and used.id != node.name
    }


def own_forward(node: Definition) -> ast.FunctionDef | None:
    """The ``forward`` that a class itself defines."""
    found = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "forward"]
    return found[-1] if found else None


def only_raises(node: Definition) -> bool:
    """True for a class whose own ``forward`` has no code but an error."""
    forward = own_forward(node)
    return forward is not None and all(map(_is_no_code, forward.body))


def _is_no_code(node: ast.stmt) -> bool:
    """True for ``raise``, ``pass``, ``...`` and a docstring."""
    value = node.value if isinstance(node, ast.Expr) else None
    constant = value.value if isinstance(value, ast.Constant) else None
    return isinstance(node, (ast.Raise, ast.Pass)) or constant is ... or isinstance(constant, str)


def _nested(tree: ast.Module) -> Iterator[Definition]:
    """Definitions under a top-level ``if`` or ``try``."""
    for node in tree.body:
        if isinstance(node, (ast.If, ast.Try)):
            yield from (n for n in ast.walk(node) if isinstance(n, Definition))


def _root(node: ast.FunctionDef, classes: set[str], roots: dict[str, str]) -> str:
    bound = dict(_bindings(node))
    for value in _returned(node):
        if isinstance(value, ast.Name):
            value = bound.get(value.id, value)
        if isinstance(value, ast.Call):
            name = _plain_name(value.func)
            if name in classes:
                return name
            if name in roots:
                return roots[name]
            if _is_torch_layer(value.func):
                return node.name
    return _annotated(node, classes)


def _returned(node: ast.FunctionDef) -> Iterator[ast.expr]:
    for part in ast.walk(node):
        if isinstance(part, ast.Return) and part.value is not None:
            yield part.value


def _bindings(node: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    for part in ast.walk(node):
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call):
            yield from ((t.id, part.value) for t in part.targets if isinstance(t, ast.Name))


def _annotated(node: ast.FunctionDef, classes: set[str]) -> str:
    if node.returns is None:
        return ""
    text = ast.unparse(node.returns).strip("'\"")
    if text in classes:
        return text
    return node.name if text in ("nn.Module", "torch.nn.Module", "nn.Sequential") else ""


def _is_torch_layer(func: ast.expr) -> bool:
    text = ast.unparse(func)
    if not text.startswith(("nn.", "torch.nn.")):
        return False
    value = getattr(nn, text.rpartition(".")[2], None)
    return isinstance(value, type) and issubclass(value, nn.Module)


def _passed_on(node: ast.FunctionDef) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _plain_name(call.func) not in (
            "isinstance",
            "issubclass",
        ):
            values = [*call.args, *(k.value for k in call.keywords)]
            yield from (v.id for v in values if isinstance(v, ast.Name))


def _plain_name(func: ast.expr) -> str:
    """The plain name that is called; empty for anything else."""
    return func.id if isinstance(func, ast.Name) else ""
