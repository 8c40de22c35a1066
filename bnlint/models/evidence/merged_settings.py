"""Settings that are merged over defaults: what is read of the result need not be given."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bnlint.models.outline import called

_MERGING = frozenset({"merge", "update", "ChainMap", "merge_dicts", "deep_update"})


def merged_in(value: ast.expr) -> Iterator[ast.expr]:
    """What an expression merges over something else: ``{**defaults, **settings}``."""
    for node in ast.walk(value):
        match node:
            case ast.Dict(keys=[_, _, *_]):
                yield from (v for k, v in zip(node.keys, node.values, strict=True) if k is None)
            case ast.Call(func=ast.Name(id="dict"), args=given, keywords=keywords):
                spread = [k.value for k in keywords if k.arg is None]
                yield from spread if given or len(keywords) > 1 else ()
            case ast.Call(args=args) if called(node) in _MERGING:
                yield from args
            case ast.BinOp(op=ast.BitOr()):
                yield from (node.left, node.right)


def filled_by(call: ast.Call) -> tuple[ast.expr, ast.expr] | None:
    """The dict that a call of ``update`` changes, and what it takes."""
    match call:
        case ast.Call(func=ast.Attribute(value=owner, attr="update"), args=[given], keywords=[]):
            return owner, given
    return None
