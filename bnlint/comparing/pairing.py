"""Which old model is which new one: by file and name, then by what they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bnlint.comparing.canonical import label_of
from bnlint.comparing.sides import TracedModel

Paired = tuple[TracedModel | None, TracedModel | None]

_ALIKE = 0.5
"""The share of operations and keys from which models of other names are versions of one."""
_SURE = 0.8
"""The same for models of other files."""


def paired(
    old: Sequence[TracedModel], new: Sequence[TracedModel], files: Mapping[str, str]
) -> list[Paired]:
    """Pairs of old and new models, and those that are on one side only.

    ``files`` holds the new path of each old file.
    """
    left, right = list(old), list(new)
    found: list[Paired] = []
    for rule in (_same_place, _same_name):
        for model in list(left):
            fits = [m for m in right if rule(model, m, files)]
            if len(fits) == 1 or (fits and rule is _same_place):
                found.append((model, fits[0]))
                left.remove(model)
                right.remove(fits[0])
    found += _by_structure(left, right, files)
    found += [(model, None) for model in left]
    found += [(None, model) for model in right]
    return sorted(found, key=lambda pair: _order(pair, new, old))


def _order(pair: Paired, new: Sequence[TracedModel], old: Sequence[TracedModel]) -> tuple[int, int]:
    if pair[1] is not None:
        return 0, new.index(pair[1])
    return 1, old.index(pair[0]) if pair[0] is not None else 0


def _same_place(old: TracedModel, new: TracedModel, files: Mapping[str, str]) -> bool:
    return old.name == new.name and files.get(old.file, old.file) == new.file


def _same_name(old: TracedModel, new: TracedModel, files: Mapping[str, str]) -> bool:
    return old.name == new.name


def _by_structure(
    left: list[TracedModel], right: list[TracedModel], files: Mapping[str, str]
) -> Iterator[Paired]:
    """The most alike first; what is paired is taken out of both lists."""
    scores = []
    for i, old in enumerate(left):
        for j, new in enumerate(right):
            score = alike(old, new)
            same_file = files.get(old.file, old.file) == new.file
            if score >= (_ALIKE if same_file else _SURE):
                scores.append((score + 0.1 * same_file, -i, -j, old, new))
    for *_, old, new in sorted(scores, key=lambda s: s[:3], reverse=True):
        if old in left and new in right:
            left.remove(old)
            right.remove(new)
            yield old, new


def alike(old: TracedModel, new: TracedModel) -> float:
    """The share of keys and operations that both have, from 0 to 1."""
    parts = [_share(_keys(old), _keys(new)), _share(_labels(old), _labels(new))]
    known = [part for part in parts if part is not None]
    return sum(known) / len(known) if known else 0.0


def _share(old: Counter[str], new: Counter[str]) -> float | None:
    total = max(old.total(), new.total())
    return (old & new).total() / total if total else None


def _keys(model: TracedModel) -> Counter[str]:
    return Counter(f"{s.key.rpartition('.')[2]} {s.shape}" for s in model.graph.states)


def _labels(model: TracedModel) -> Counter[str]:
    states = {state.key: state for state in model.graph.states}
    ops: Iterable[str] = (label_of(op, states, keys=False) for op in model.graph.ops)
    return Counter(ops)
