"""The size of images that the data of a model has, by its data sets and their transforms."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache

from bnlint.domain.graph import Shape
from bnlint.loading.parsing import Source
from bnlint.models.lexicon import CROPS, IMAGE_SETS
from bnlint.models.outline import called, constants, value_of

_LARGEST = 2048


def image_size(sources: Iterable[Source]) -> Shape | None:
    """The height and width of the images that some of the sources load; None if none says."""
    return next(filter(None, (_stated_in(source.tree) for source in sources)), None)


@lru_cache(maxsize=256)
def _stated_in(tree: ast.Module) -> Shape | None:
    names = constants(ast.Module([n for n in tree.body if isinstance(n, ast.Assign)], []), {})
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    sides = (IMAGE_SETS[name] for name in map(called, calls) if name in IMAGE_SETS)
    side, cut = next(sides, None), [*_cut(calls, names)]
    if cut:
        return cut[-1]
    return (side, side) if side is not None else None


def _cut(calls: Iterable[ast.Call], names: dict[str, object]) -> Iterator[Shape]:
    """The sizes that ``transforms.Resize((64, 64))`` and ``RandomCrop(32)`` state."""
    for call in calls:
        if called(call) not in CROPS:
            continue
        sizes = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "size")]
        try:
            size = value_of(sizes[0], names) if sizes else None
        except ValueError:
            continue
        pair = (size, size) if type(size) is int else size
        if isinstance(pair, (tuple, list)) and len(pair) == 2 and all(map(_is_side, pair)):
            yield tuple(pair)


def _is_side(value: object) -> bool:
    return type(value) is int and 4 <= value <= _LARGEST
