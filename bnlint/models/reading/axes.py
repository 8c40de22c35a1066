"""What methods, functions and patterns say of the axes of an argument."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from torch import nn

from bnlint.domain.objects import home_of
from bnlint.layers.table import axes_of
from bnlint.models.lexicon import TENSORS
from bnlint.models.reading.scope import Namespace, constant
from bnlint.models.reading.use import Use

AXES = {
    "transpose": 2,
    "swapaxes": 2,
    "size": 1,
    "flatten": 1,
    "select": 1,
    "squeeze": 1,
    "index_select": 1,
    "narrow": 1,
    "unbind": 1,
}
"""Methods of tensors, and how many of their arguments are numbers of axes."""


JOINING = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack"})
"""Functions that take a list of tensors."""

_OF_MAPS = frozenset({"torch.nn.modules.pooling", "torch.nn.modules.padding"})

_TAKE_SIZES = frozenset({*TENSORS, "view", "expand"})


def note_method(use: Use, method: str, args: list[ast.expr]) -> None:
    """``x.permute(0, 2, 1)``, ``x.size(3)``, and words that are compared."""
    literals = [constant(a) for a in args]
    if method == "permute":
        dims = args[0].elts if args and isinstance(args[0], (ast.Tuple, ast.List)) else args
        use.has_rank(len(dims))
    elif method in AXES:
        for axis in literals[: AXES[method]]:
            if type(axis) is int:
                use.has_axis(axis)
    elif method in ("startswith", "lower", "upper"):
        use.literals += [word for word in literals if isinstance(word, str)] or [""]


def note_pattern(scope: Namespace, name: str, args: list[ast.expr]) -> None:
    """``rearrange(x, "b c h w -> b (h w) c")`` and ``einsum("bij,bjk->bik", x, y)``."""
    pattern = next((t for t in map(constant, args[:2]) if isinstance(t, str)), "")
    left = pattern.partition("->")[0]
    if "." in left or "->" not in pattern:
        return
    operands = left.replace(" ", "").split(",") if name == "einsum" else []
    for subscripts, argument in zip(operands, args[1:], strict=False):
        if (use := scope.use(argument)) is not None:
            use.has_rank(len(subscripts))
    rearranged = scope.use(args[0]) if name in ("rearrange", "reduce", "repeat") else None
    if rearranged is not None:
        rearranged.has_rank(_axes_of_pattern(left))


def note_sides(use: Use, part: ast.Slice) -> None:
    """``x.shape[2:]`` and ``x.shape[-2:]``: the height and width of an image."""
    lower = None if part.lower is None else constant(part.lower)
    if part.upper is None and lower in (2, -2):
        use.has_axis(3)


def rank_taken_by(module: nn.Module) -> int:
    """The axes of what a pooling or padding layer takes, samples and channels among them; or 0."""
    while isinstance(module, nn.Sequential) and len(module):
        module = module[0]
    if _OF_MAPS.isdisjoint(map(home_of, type(module).__mro__)):
        return 0
    axes = axes_of(module)
    return axes + 2 if axes else 0


def sizes_of_new(name: str, arguments: list[ast.expr]) -> list[ast.expr]:
    """The sizes of a new tensor or view: ``torch.zeros(n * x.size(0), 4)``; empty for others."""
    first = arguments[0] if arguments else None
    sizes = first.elts if isinstance(first, (ast.Tuple, ast.List)) else arguments
    if name not in _TAKE_SIZES or (sizes is arguments and len(sizes) < 2):
        return []
    return sizes


def terms_of(node: ast.expr) -> Iterator[ast.expr]:
    """Both sides of a sum or product, else the expression itself."""
    yield from (node.left, node.right) if isinstance(node, ast.BinOp) else (node,)


def _axes_of_pattern(pattern: str) -> int:
    depth = count = 0
    for token in pattern.replace("(", " ( ").replace(")", " ) ").split():
        count += depth == 0 and token != ")"
        depth += {"(": 1, ")": -1}.get(token, 0)
    return count
