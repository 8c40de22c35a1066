"""Which operation of the old graph is which of the new one: two sequences along the data flow.

Linear for usual changes: what both ends share is taken first, then what occurs once on both sides,
then a shortest edit script of what is left between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from bnlint.comparing.canonical import Canonical
from bnlint.domain.graph import Op

Pair = tuple[int, int]

_MOST_EDITS = 400
"""Of a shortest script; of what differs more, only the parts that occur once are paired."""


@dataclass(slots=True)
class Alignment:
    """Pairs of operations, and what has no partner on the other side."""

    pairs: list[tuple[Op, Op]] = field(default_factory=list)
    removed: list[Op] = field(default_factory=list)
    added: list[Op] = field(default_factory=list)
    moved: list[tuple[Op, Op]] = field(default_factory=list)
    replaced: list[tuple[Op, Op]] = field(default_factory=list)

    def ids(self) -> tuple[tuple[str, str], ...]:
        """The ids of all pairs."""
        return tuple((a.id, b.id) for a, b in (*self.pairs, *self.moved, *self.replaced))


def align(old: Canonical, new: Canonical, *, names: bool = True) -> Alignment:
    """The alignment of two graphs: by settings, states and names first, by kind last.

    Without ``names``, a layer is not the one of the same name, as where one was inserted into a
    numbered list.
    """
    before, after = _ops(old), _ops(new)
    found: dict[int, int] = {}
    for level in (_named, _plain, _kind) if names else (_plain, _kind):
        first = [level(old, op) for op in before]
        second = [level(new, op) for op in after]
        for gap in _gaps(found, len(before), len(after)):
            found |= _matched(first, second, *gap)
    taken = set(found.values())
    result = Alignment([(before[i], after[j]) for i, j in sorted(found.items())])
    result.removed = [op for i, op in enumerate(before) if i not in found]
    result.added = [op for j, op in enumerate(after) if j not in taken]
    _find_moved(result, old, new)
    _find_replaced(result)
    return result


def _ops(side: Canonical) -> list[Op]:
    return [side.ops[name] for name in side.order]


def _named(side: Canonical, op: Op) -> Hashable:
    return _plain(side, op), op.layer if op.reads else "", op.reads


def _plain(side: Canonical, op: Op) -> Hashable:
    return side.label(op)


def _kind(side: Canonical, op: Op) -> Hashable:
    name = op.exact.get("name", "")
    return op.kind, "" if str(name).startswith("code ") else name, bool(op.reads)


def _gaps(found: dict[int, int], old: int, new: int) -> Iterator[tuple[int, int, int, int]]:
    """What lies between the pairs that are known; both sides are not empty."""
    i = j = 0
    for a, b in [*sorted(found.items()), (old, new)]:
        if a > i and b > j:
            yield i, a, j, b
        i, j = a + 1, b + 1


def _matched(
    old: Sequence[Hashable], new: Sequence[Hashable], i: int, a: int, j: int, b: int
) -> dict[int, int]:
    """Pairs of equal entries of ``old[i:a]`` and ``new[j:b]``, in order."""
    found: dict[int, int] = {}
    todo = [(i, a, j, b)]
    while todo:
        i, a, j, b = todo.pop()
        while i < a and j < b and old[i] == new[j]:
            found[i] = j
            i, j = i + 1, j + 1
        while i < a and j < b and old[a - 1] == new[b - 1]:
            a, b = a - 1, b - 1
            found[a] = b
        if i == a or j == b:
            continue
        anchors = _anchors(old, new, i, a, j, b)
        if not anchors:
            found.update(_shortest_script(old, new, i, a, j, b))
            continue
        for x, y in [*anchors, (a, b)]:
            todo.append((i, x, j, y))
            if x < a:
                found[x] = y
            i, j = x + 1, y + 1
    return found


def _anchors(
    old: Sequence[Hashable], new: Sequence[Hashable], i: int, a: int, j: int, b: int
) -> list[Pair]:
    """The longest rising row of entries that occur once on both sides."""
    left, right = Counter(old[i:a]), Counter(new[j:b])
    places = {new[y]: y for y in range(j, b) if right[new[y]] == 1}
    pairs = [(x, places[old[x]]) for x in range(i, a) if left[old[x]] == 1 and old[x] in places]
    return _longest_rising(pairs)


def _longest_rising(pairs: Sequence[Pair]) -> list[Pair]:
    from bisect import bisect_left

    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for n, (_, y) in enumerate(pairs):
        at = bisect_left(tails, y)
        before.append(ends[at - 1] if at else -1)
        tails[at : at + 1] = [y]
        ends[at : at + 1] = [n]
    row: list[Pair] = []
    n = ends[-1] if ends else -1
    while n >= 0:
        row.append(pairs[n])
        n = before[n]
    return row[::-1]


def _shortest_script(
    old: Sequence[Hashable], new: Sequence[Hashable], i: int, a: int, j: int, b: int
) -> Iterator[Pair]:
    """Myers' algorithm: the pairs of a longest common row, if it takes few edits."""
    n, m = a - i, b - j
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(min(n + m, _MOST_EDITS) + 1):
        trail.append(dict(furthest))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
            x = furthest[k + 1] if down else furthest[k - 1] + 1
            while x < n and x - k < m and old[i + x] == new[j + x - k]:
                x += 1
            furthest[k] = x
            if x >= n and x - k >= m:
                yield from _walked_back(trail, n, m, i, j)
                return


def _walked_back(trail: Sequence[dict[int, int]], x: int, y: int, i: int, j: int) -> Iterator[Pair]:
    for edits in range(len(trail) - 1, -1, -1):
        furthest, k = trail[edits], x - y
        down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
        last = k + 1 if down else k - 1
        from_x = furthest[last] if edits else 0
        from_y = from_x - last if edits else 0
        start = (from_x if down else from_x + 1) if edits else 0
        while x > start and y > 0 and (x > 0):
            x, y = x - 1, y - 1
            yield i + x, j + y
        x, y = from_x, from_y


def _find_replaced(result: Alignment) -> None:
    """Pair layers of one name: of another kind now, or at another place."""
    added = {op.layer: op for op in result.added if op.layer == op.module}
    for op in list(result.removed):
        other = added.pop(op.layer, None) if op.layer == op.module else None
        if other is not None:
            (result.moved if op.kind == other.kind else result.replaced).append((op, other))
            result.removed.remove(op)
            result.added.remove(other)


def _find_moved(result: Alignment, old: Canonical, new: Canonical) -> None:
    """Pair what was removed at one place and added at another: with its name, else alone."""
    parents = _Parents(result.pairs)
    for level in (_named, _plain):
        left: dict[Hashable, list[Op]] = {}
        for op in result.removed:
            left.setdefault(level(old, op), []).append(op)
        right: dict[Hashable, list[Op]] = {}
        for op in result.added:
            right.setdefault(level(new, op), []).append(op)
        for key, ops in left.items():
            others = right.get(key, [])
            certain = len(ops) == len(others) == 1 or (ops[0].reads and level is _named)
            if others and certain:
                pairs = zip(ops, others, strict=False)
                result.moved += [pair for pair in pairs if not parents.contradict(*pair)]
        gone = {id(op) for pair in result.moved for op in pair}
        result.removed = [op for op in result.removed if id(op) not in gone]
        result.added = [op for op in result.added if id(op) not in gone]


class _Parents:
    """Which block of the old graph is which of the new one, by the layers that are paired."""

    def __init__(self, pairs: Sequence[tuple[Op, Op]]) -> None:
        votes = Counter((_parent(a), _parent(b)) for a, b in pairs)
        self._new: dict[str, str] = {}
        self._old: dict[str, str] = {}
        for (a, b), _ in votes.most_common():
            self._new.setdefault(a, b)
            self._old.setdefault(b, a)

    def contradict(self, old: Op, new: Op) -> bool:
        """Whether layers of different names belong to blocks that are both paired with others."""
        if old.layer.rpartition(".")[2] == new.layer.rpartition(".")[2]:
            return False
        a, b = _parent(old), _parent(new)
        return self._new.get(a, b) != b and self._old.get(b, a) != a


def _parent(op: Op) -> str:
    return op.layer.rpartition(".")[0]
