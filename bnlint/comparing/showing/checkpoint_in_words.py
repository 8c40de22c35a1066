"""The checkpoint's answer in words: which keys are new, gone, renamed, and what then loads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bnlint.domain.model_comparison import CheckpointAnswer, ModelComparison, Renamed
from bnlint.domain.phrases import plural

_FEW = 4


def checkpoint_lines(each: ModelComparison) -> Iterator[str]:
    """Whether old weights load, and what became of the keys."""
    answer = each.checkpoint
    if answer is None:
        return
    if answer.loads is None:
        yield f"not tried: {answer.reason}" if answer.reason else "not tried"
        if keys := [*_renamed(answer.renamed), *_keys(each)]:
            yield f"by name and shape, {', '.join(keys)}"
        return
    if answer.loads:
        yield "loads: all keys and shapes fit"
        return
    said = [*_renamed(answer.renamed), *_keys(each)]
    yield f"does not load: {', '.join(said) or answer.reason}"
    if answer.renamed:
        yield f"with the key map, {with_the_map(answer)}"


def with_the_map(answer: CheckpointAnswer) -> str:
    """What becomes of the old weights once their keys are renamed."""
    if answer.loads_with_renames:
        return "all old weights load"
    if does_not_fit(answer):
        return "the rest of the old weights still does not fit"
    if answer.missing:
        return f"all old weights load with strict=False; {plural(len(answer.missing), 'key')} new"
    count = plural(len(answer.unexpected), "old key")
    return f"the other weights load with strict=False; {count} without a place"


def does_not_fit(answer: CheckpointAnswer) -> bool:
    """Whether weights are left, once keys are renamed, that even strict=False would not place."""
    return bool(answer.reshaped or (answer.missing and answer.unexpected))


def _keys(each: ModelComparison) -> Iterator[str]:
    answer = each.checkpoint or CheckpointAnswer()
    others = [{s.key for s in graph.states} if graph else set() for graph in each.graphs]
    others[0] -= {r.old for r in answer.renamed}
    others[-1] -= {r.new for r in answer.renamed}
    sides = (("new", answer.missing, others[0]), ("gone", answer.unexpected, others[-1]))
    for word, keys, other in sides:
        shared = _modules(other)
        for prefix, group in _by_module(keys, shared).items():
            count = plural(len(group), "key")
            kept = len(group) > 1 and prefix in shared
            yield f"{count} of `{prefix}` are {word}" if kept else f"`{prefix}` is {word} ({count})"
    for key in answer.reshaped[:_FEW]:
        yield f"`{key.key}` was {_shape(key.old)} and is {_shape(key.new)}"
    if len(answer.reshaped) > _FEW:
        yield f"{len(answer.reshaped) - _FEW} more shapes differ"


def _modules(keys: Iterable[str]) -> frozenset[str]:
    """The paths of all modules that hold a key."""
    parts = (key.split(".") for key in keys)
    return frozenset(".".join(each[:end]) for each in parts for end in range(1, len(each)))


def _by_module(keys: Sequence[str], shared: frozenset[str]) -> dict[str, list[str]]:
    """The keys by the outermost module that is not ``shared``; by outer ones if those are many.

    A key that is alone goes by its own name.
    """
    groups: dict[str, list[str]] = {}
    for key in keys:
        paths = [p for p in sorted(_modules([key]), key=len) if shared and p not in shared]
        name = paths[0] if paths else key.rpartition(".")[0] or key
        groups.setdefault(name, []).append(key)
    depth = max((name.count(".") for name in groups), default=0)
    while len(groups) > _FEW and depth > 0:
        depth -= 1
        merged: dict[str, list[str]] = {}
        for name, group in groups.items():
            merged.setdefault(".".join(name.split(".")[: depth + 1]), []).extend(group)
        groups = merged
    return {keys[0] if len(keys) == 1 else name: keys for name, keys in groups.items()}


def _renamed(renamed: Sequence[Renamed]) -> Iterator[str]:
    for old, new, count in rename_groups(renamed):
        yield f"`{old}` was renamed to `{new}` ({plural(count, 'key')})"


def rename_groups(renamed: Sequence[Renamed]) -> list[tuple[str, str, int]]:
    """Renames of whole prefixes with their number of keys: one line, not forty."""
    groups: dict[tuple[str, str], int] = {}
    for each in renamed:
        left, right = each.old.split("."), each.new.split(".")
        while len(left) > 1 and len(right) > 1 and left[-1] == right[-1]:
            left, right = left[:-1], right[:-1]
        pair = ".".join(left), ".".join(right)
        groups[pair] = groups.get(pair, 0) + 1
    return [(old, new, count) for (old, new), count in groups.items()]


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
