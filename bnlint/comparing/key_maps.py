"""Which old key of a checkpoint is which new one: candidates, to be tried by loading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bnlint.comparing.alignment import Alignment, align
from bnlint.comparing.canonical import Canonical
from bnlint.domain.graph import ModelGraph, Op, StateInfo
from bnlint.domain.request import KeyMap, ProofResult


@dataclass(frozen=True, slots=True)
class Plans:
    """The alignments of two graphs, each with the map of keys it gives; the likeliest first."""

    found: tuple[tuple[Alignment, KeyMap], ...]

    @property
    def maps(self) -> tuple[KeyMap, ...]:
        """The maps to try; none where the likeliest renames nothing."""
        return tuple(renames for _, renames in self.found if renames)

    @classmethod
    def of(cls, old: Canonical, new: Canonical) -> Plans:
        """The plans for two graphs."""
        named = align(old, new)
        if keys_fit(old.graph, new.graph):
            return cls(((named, ()),))
        nameless = align(old, new, names=False)
        return cls(_likeliest_first(old.graph, new.graph, named, nameless))

    def chosen(self, proof: ProofResult | None) -> tuple[Alignment, KeyMap]:
        """The alignment whose map made the outputs equal; the likeliest otherwise."""
        equal = proof is not None and proof.ran and proof.equal
        return self.found[max(proof.chosen, 0) if proof and equal else 0]


def _likeliest_first(
    old: ModelGraph, new: ModelGraph, named: Alignment, nameless: Alignment
) -> tuple[tuple[Alignment, KeyMap], ...]:
    """Each alignment with the map of the keys that don't keep their name.

    One leaves every key alone that fits as it is; the other follows the graphs alone, as where a
    layer that was inserted moves the numbers of those behind it. Likelier is what finds a place for
    more of the old keys, and then what changes less.
    """
    before = {s.key: s for s in old.states if s.persistent}
    after = {s.key: s for s in new.states if s.persistent}
    found: list[tuple[int, int, Alignment, KeyMap]] = []
    for keeping, alignment in ((True, named), (False, nameless)):
        pairs = list(_pairs(alignment, before, after))
        chosen = _chosen(pairs, before, after, keeping)
        chosen |= _by_prefix(chosen, before, after)
        unread = {k for op in old.ops for k in op.reads}, {k for op in new.ops for k in op.reads}
        chosen |= _leftover(chosen, before, after, unread)
        renames = tuple((o, n) for o, n in chosen.items() if o != n)
        if not any(renames == other for *_, other in found):
            found.append((len(before) - len(chosen), _changes(alignment), alignment, renames))
    found.sort(key=lambda each: each[:2])
    likeliest = [(alignment, renames) for *_, alignment, renames in found]
    return tuple(likeliest if likeliest[0][1] else likeliest[:1])


def _changes(aligned: Alignment) -> int:
    return len(aligned.removed) + len(aligned.added) + len(aligned.moved) + len(aligned.replaced)


def keys_fit(old: ModelGraph, new: ModelGraph) -> bool:
    """True if the new model has all keys of the old one with the same shapes."""
    before, after = ({s.key: s.shape for s in g.states if s.persistent} for g in (old, new))
    return before.items() <= after.items()


def _pairs(
    aligned: Alignment, before: Mapping[str, StateInfo], after: Mapping[str, StateInfo]
) -> Iterator[tuple[str, str]]:
    """The keys that aligned operations read, by their last word or else in order."""
    for old, new in (*aligned.pairs, *aligned.moved):
        yield from (
            (o, n)
            for o, n in _of_ops(old, new)
            if o in before and n in after and before[o].shape == after[n].shape
        )


def _of_ops(old: Op, new: Op) -> Iterator[tuple[str, str]]:
    if len(old.reads) == len(new.reads):
        yield from zip(old.reads, new.reads, strict=True)
        return
    by_word = {key.rpartition(".")[2]: key for key in new.reads}
    for key in old.reads:
        word = key.rpartition(".")[2]
        if word in by_word:
            yield key, by_word[word]


def _chosen(
    pairs: Sequence[tuple[str, str]],
    before: Mapping[str, StateInfo],
    after: Mapping[str, StateInfo],
    keeping: bool,
) -> dict[str, str]:
    """One new key for each old one, and the other way round."""
    same = [k for k in before if k in after and before[k].shape == after[k].shape]
    chosen: dict[str, str] = {}
    if keeping:  # layers as a whole: the counter of a norm fits that of any other
        others = {_layer(k) for k in before.keys() - same}
        chosen = {key: key for key in same if _layer(key) not in others}
    taken = set(chosen.values())
    for old, new in pairs:
        if old not in chosen and new not in taken:
            chosen[old] = new
            taken.add(new)
    for key in same:
        if key not in chosen and key not in taken:
            chosen[key] = key
            taken.add(key)
    return chosen


def _layer(key: str) -> str:
    return key.rpartition(".")[0]


def _by_prefix(
    chosen: Mapping[str, str],
    before: Mapping[str, StateInfo],
    after: Mapping[str, StateInfo],
) -> dict[str, str]:
    """Keys that no operation reads, renamed with the modules that hold the others."""
    prefixes: dict[str, str] = {}
    for old, new in chosen.items():
        left, right = old.split("."), new.split(".")
        while left and right and left[-1] == right[-1]:
            left, right = left[:-1], right[:-1]
        prefixes.setdefault(".".join(left), ".".join(right))
    taken = set(chosen.values())
    found = {}
    for key in before.keys() - chosen.keys():
        parts = key.split(".")
        for end in range(len(parts) - 1, -1, -1):
            prefix = ".".join(parts[:end])
            if prefix not in prefixes:
                continue
            new = ".".join(filter(None, (prefixes[prefix], *parts[end:])))
            if new in after and new not in taken and after[new].shape == before[key].shape:
                found[key] = new
                taken.add(new)
                break
    return found


def _leftover(
    chosen: Mapping[str, str],
    before: Mapping[str, StateInfo],
    after: Mapping[str, StateInfo],
    read: tuple[set[str], set[str]],
) -> dict[str, str]:
    """Keys that no operation reads on either side: by last word and shape, where that is certain.

    Aliases of a tied weight are such keys, too, and all keys of a part that was not traced.
    """
    taken = set(chosen.values())
    groups: dict[tuple[str, tuple[int, ...]], tuple[list[str], list[str]]] = {}
    for side, states, used in ((0, before, chosen.keys()), (1, after, taken)):
        for key, state in states.items():
            if key not in used and key not in read[side]:
                word = key.rpartition(".")[2], state.shape
                groups.setdefault(word, ([], []))[side].append(key)
    even = (pair for pair in groups.values() if len(pair[0]) == len(pair[1]))
    return {old: new for left, right in even for old, new in zip(left, right, strict=True)}
