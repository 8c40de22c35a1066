"""What a call says about axes: which it moves, merges, cuts or works along, as it is written.

Sizes that the forward takes from a tensor are words: ``axis 0`` for ``x.size(0)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bnlint.domain.graph import Value
from bnlint.layers.calls import Call, Ref, name_of
from bnlint.layers.of_modules import Facts
from bnlint.layers.table import plain_name

_AXIS = "axis "
_SWAPS: Mapping[str, tuple[int, int]] = {"mT": (-2, -1), "mH": (-2, -1), "t": (0, 1), "T": (0, 1)}
"""Properties and methods that swap two axes; ``T`` is for matrices, whatever else it takes."""


@dataclass(frozen=True, slots=True)
class SizeOf:
    """What a call that returns sizes refers to: one axis of a tensor, or (None) all of them."""

    tensor: str
    axis: int | None = None


def sizes_read(calls: Iterable[Call]) -> dict[str, SizeOf]:
    """The sizes that calls return, by their ids."""
    found: dict[str, SizeOf] = {}
    for call in calls:
        if call.role == "number" and (size := _size_read(call, found)):
            found[call.id] = size
    return found


def _size_read(call: Call, known: Mapping[str, SizeOf]) -> SizeOf | None:
    source = call.args[0] if call.args else None
    if not isinstance(source, Ref):
        return None
    name, second = name_of(call.target), call.args[1] if len(call.args) > 1 else None
    if name == "size":
        axis = call.kwargs.get("dim", second)
        return SizeOf(source.id, axis) if axis is None or type(axis) is int else None
    if name == "getattr" and second == "shape":
        return SizeOf(source.id)
    whole = known.get(source.id)
    if name == "getitem" and whole and whole.axis is None and type(second) is int:
        return SizeOf(whole.tensor, second)
    return None


def axis_facts(call: Call, known: Mapping[str, SizeOf] | None) -> Facts:
    """The facts about axes of a function or tensor method.

    ``known`` are those of :func:`sizes_read`; None where sizes are plain numbers that may come from
    an input that was guessed, which are left out then.
    """
    name, args = name_of(call.target), tuple(call.args[1:])
    if name == "getattr" and args:
        name, args = str(args[0]), ()
    if name in _SWAPS:
        return {"swapped": _SWAPS[name]}
    if name in ("view", "reshape", "_unsafe_view"):
        return _sizes(call, known)
    reader = _READERS.get(plain_name(name))
    return reader(args, call.kwargs) if reader else {}


def _sizes(call: Call, known: Mapping[str, SizeOf] | None) -> Facts:
    name = "shape" if "shape" in call.kwargs else "size"
    sizes = _spread(tuple(call.args[1:]), call.kwargs, name)
    if not sizes or not all(isinstance(s, (int, Ref)) or s is None for s in sizes):
        return {}
    if len(sizes) == 1 and not isinstance(sizes[0], int):
        return {}  # a whole shape
    own = call.args[0].id if call.args and isinstance(call.args[0], Ref) else ""
    return {"sizes": tuple(_size(s, own, known) for s in sizes)}


def _size(size: Any, own: str, known: Mapping[str, SizeOf] | None) -> Value:
    """A number in the code, or the size of an axis of the tensor itself; axis 0 is the batch.

    The batch may have been read from another tensor.
    """
    if known is None:
        return -1 if size == -1 else None
    found = known.get(size.id) if isinstance(size, Ref) else None
    if found is None or found.axis is None:
        return size if type(size) is int else None
    return f"{_AXIS}{found.axis}" if found.tensor == own or found.axis == 0 else None


Arguments = tuple[Any, ...]
Keywords = Mapping[str, Any]


def _permutation(args: Arguments, kwargs: Keywords) -> Facts:
    dims = _spread(args, kwargs, "dims")
    return {"permutation": dims} if dims and all(type(d) is int for d in dims) else {}


def _swap(args: Arguments, kwargs: Keywords) -> Facts:
    names = (("dim0", "axis0"), ("dim1", "axis1"))
    found = (*args, *(kwargs[n] for pair in names for n in pair if n in kwargs))[:2]
    return {"swapped": found} if len(found) == 2 and all(type(d) is int for d in found) else {}


def _axis(args: Arguments, kwargs: Keywords) -> Facts:
    dim = kwargs.get("dim", args[0] if args else None)
    return {"dim": dim} if type(dim) is int else {}


def _end(args: Arguments, kwargs: Keywords) -> Facts:
    end = kwargs.get("end_dim", args[1] if len(args) > 1 else -1)
    return {"end-dim": end} if type(end) is int else {}


def _kept(args: Arguments, kwargs: Keywords) -> Facts:
    kept = kwargs.get("keepdim", args[1] if len(args) > 1 else False)
    return {"keepdim": kept} if isinstance(kept, bool) else {}


def _index(args: Arguments, _: Keywords) -> Facts:
    key = args[0] if args else None
    items = key if isinstance(key, tuple) else (key,)
    return {"indices": tuple(map(_index_word, items))}


def _index_word(item: Any) -> Value:
    """What an index does to its axis: keep, cut (a part of it), pick, add, ``...``, unknown.

    To pick the last element is said: it is that of a sequence.
    """
    if isinstance(item, slice):
        return "keep" if item == slice(None) else "cut"
    if item is None or item is Ellipsis:
        return "add" if item is None else "..."
    if type(item) is not int:
        return "unknown"
    return "pick last" if item == -1 else "pick"


def _spread(args: Arguments, kwargs: Keywords, name: str) -> tuple[Any, ...]:
    """Arguments that may be written one by one or as one tuple."""
    found = kwargs.get(name, args)
    if isinstance(found, tuple) and len(found) == 1 and isinstance(found[0], (tuple, list)):
        found = found[0]
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)


_READERS: Mapping[str, Callable[[Arguments, Keywords], Facts]] = {
    "permute": _permutation,
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _swap),
    **dict.fromkeys(("squeeze", "unsqueeze", "select", "unbind"), _axis),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "logsumexp"), _kept),
    "flatten": _end,
    "getitem": _index,
}
