"""What leaves the data flow of a forward, and what comes back: numbers in Python, attributes.

``h.tolist()`` or ``h.numpy()`` ends in plain numbers; a tensor that is made of them later depends
on ``h``, though no gradient returns. A tensor that a module keeps in an attribute may be read by
whoever called the model.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import fx, nn
from torch.utils import checkpoint

from bnlint.domain.objects import is_a
from bnlint.layers.calls import Ref, name_of

_READ = frozenset(
    ("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__", "__array__",
     "__format__", "__repr__", "__contains__", "equal", "allclose", "is_nonzero")
)  # fmt: skip
_MADE = frozenset(("tensor", "as_tensor", "asarray", "from_numpy", "new_tensor"))
_MOST, _DEPTH = 4096, 3
_HELD, _DEEP = 128, 2
"""Entries of a container that are looked at for results that are kept, and how deep."""
_SINGLE = frozenset((int, float, bool, str, type(None)))
_OPAQUE = (nn.Module, torch.Tensor, fx.Proxy, type)
"""What is not looked into: it holds nothing, or is asked in other ways."""
_CHECKPOINT = vars(checkpoint)
_PRIVATE = ("_parameters", "_modules", "_forward", "_backward", "_state_dict", "_load_state")


@dataclass(slots=True)
class NumbersRead:
    """The results whose numbers Python read, by the module whose forward did so."""

    floats: dict[str, list[tuple[frozenset[float], Ref]]] = field(default_factory=dict)
    arrays: dict[str, list[Ref]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)

    def note(self, owner: str, target: Any, refs: Iterable[Ref], result: Any) -> None:
        """Note a call that returned no tensor, if it read numbers."""
        if name_of(target) not in _READ:
            return
        found = tuple(refs)
        self.read.update(ref.id for ref in found)
        if _is_array(result):
            self.arrays.setdefault(owner, []).extend(found)
        elif floats := frozenset(_floats(result)):
            self.floats.setdefault(owner, []).extend((floats, ref) for ref in found)

    def behind(self, owner: str, target: Any, args: tuple[Any, ...]) -> tuple[Ref, ...]:
        """The results that the values of a new tensor may come from."""
        if not args or not (self.arrays or self.floats) or name_of(target) not in _MADE:
            return ()
        if any(map(_is_array, args)):
            return tuple(self.arrays.get(owner, ()))
        values = frozenset(_floats(args))
        return tuple(ref for known, ref in self.floats.get(owner, ()) if known & values)


def _is_array(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") == "f"


def _floats(value: Any, depth: int = _DEPTH) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, (list, tuple)) and depth:
        for item in value[:_MOST]:
            yield from _floats(item, depth - 1)


def kept_by(modules: Iterable[nn.Module]) -> Iterator[Any]:
    """The objects in the attributes of modules, those in lists and dicts too.

    What many modules share (a configuration) is looked into once.
    """
    seen: dict[int, int] = {}
    for module in modules:
        for name, value in vars(module).items():
            if type(value) not in _SINGLE and not name.startswith(_PRIVATE):
                yield from inside(value, seen=seen)


def inside(value: Any, depth: int = _DEEP, seen: dict[int, int] | None = None) -> Iterator[Any]:
    """The value, and those in it: in lists and dicts, and in the attributes of plain objects.

    ``seen`` says how deep what is known by its identity was looked into before.
    """
    yield value
    if not depth or type(value) in _SINGLE or is_a(value, _OPAQUE):
        return
    seen = {} if seen is None else seen
    if seen.get(id(value), 0) >= depth:
        return
    seen[id(value)] = depth
    within: Iterable[Any] = ()
    if type(value) in (list, tuple, set):
        within = list(value)[:_HELD]
    elif type(value) is dict:
        within = list(value.values())[:_HELD]
    elif not callable(value):
        within = list(_attributes(value).values())[:_HELD]
    for item in within:
        if type(item) in _SINGLE:
            yield item
        else:
            yield from inside(item, depth - 1, seen)


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object; none where it has none, or raises when asked."""
    try:
        found = value.__dict__
    except Exception:
        return {}
    return found if type(found) is dict else {}


def is_recomputed(until: FrameType | None = None, around: bool = False) -> bool:
    """Whether the current call is inside of ``torch.utils.checkpoint``, so that it runs again.

    ``around`` is what is known of the call that ``until`` is the frame of.
    """
    frame = sys._getframe(1).f_back
    while frame is not None and frame is not until:
        # the names of a frame are read, since an audit hook hears of each code that is
        if frame.f_globals is _CHECKPOINT and frame.f_code.co_name == "checkpoint":
            return True
        frame = frame.f_back
    return around and frame is until
