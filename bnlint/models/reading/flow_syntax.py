"""Parts of statements that decide where a value goes: what follows, what binds and reads a name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

LOOPS = (ast.For, ast.AsyncFor, ast.While)


def following(holder: ast.AST, child: ast.AST) -> Sequence[ast.stmt]:
    """The statements behind ``child`` in the same block."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(holder, name, ())
        if isinstance(block, list) and child in block:
            return block[block.index(child) + 1 :]
    return ()


def closing(holder: ast.AST) -> Iterator[ast.AST]:
    """What may run behind the body of a loop or a ``try`` because of that."""
    for name in ("handlers", "orelse", "finalbody"):
        if isinstance(holder, (*LOOPS, ast.Try, ast.TryStar)):
            yield from getattr(holder, name, ())


def handed_on(value: ast.expr) -> Iterator[ast.expr]:
    """The parts of what is returned: the elements of a display, both sides of a choice."""
    match value:
        case ast.IfExp():
            yield ast.UnaryOp(ast.Not(), value.test)  # is read, and not returned
            yield from (*handed_on(value.body), *handed_on(value.orelse))
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Dict(values=elements):
            for element in elements:
                yield from handed_on(element)
        case _:
            yield value


def unpacked(target: ast.expr) -> Iterator[ast.expr]:
    """The targets of an assignment one by one."""
    if isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from unpacked(element)
    else:
        yield target.value if isinstance(target, ast.Starred) else target


def is_load(node: ast.AST | None, name: str) -> bool:
    """True for an expression that is the name and nothing else."""
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)


def reads_name(node: ast.AST, name: str) -> bool:
    """True if the name is read anywhere in a node."""
    return any(is_load(n, name) for n in ast.walk(node))


def binds(target: ast.expr, name: str) -> bool:
    """True if an assignment to the target binds the name."""
    return any(isinstance(t, ast.Name) and t.id == name for t in unpacked(target))
