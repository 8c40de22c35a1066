"""How a forward uses one of its arguments, as far as its source tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

Key = int | str | tuple[Any, ...]
"""What an item is read by; dicts of images have keys such as ``("color", 0, 0)``."""


@dataclass(slots=True)
class Use:
    """The evidence about one argument, or about one item or attribute of an argument.

    ``readers`` are the modules that are called with it, each with the number or the keyword of the
    argument there. ``mixers`` read it joined with something else: ``self.net(torch.cat((x, y)))``.
    ``rank`` is its number of axes; ``least_rank`` is set where only a lower limit is known.
    ``complex`` is true for a tensor of complex numbers. ``counts`` is true for a number of things,
    ``offset`` for the place where a slice begins.
    ``pieces`` is the evidence about parts of a tensor without one of its axes, by that axis.
    ``guarded`` is true if the forward asks whether it is None, ``time_first`` for lengths of
    sequences whose steps come before their batch.
    """

    readers: list[tuple[nn.Module, int | str]] = field(default_factory=list)
    mixers: list[nn.Module] = field(default_factory=list)
    functions: list[tuple[str, int | str]] = field(default_factory=list)
    literals: list[Any] = field(default_factory=list)
    items: dict[Key, Use] = field(default_factory=dict)
    attributes: dict[str, Use] = field(default_factory=dict)
    pieces: dict[int, Use] = field(default_factory=dict)
    rank: int | None = None
    least_rank: int = 0
    tensor: bool = False
    counts: bool = False
    offset: bool = False
    flag: bool = False
    iterated: bool = False
    guarded: bool = False
    time_first: bool = False
    length: int | None = None
    complex: bool = False

    def item(self, key: Key) -> Use:
        """The evidence about an item."""
        return self.items.setdefault(key, Use())

    def attribute(self, name: str) -> Use:
        """The evidence about an attribute."""
        return self.attributes.setdefault(name, Use())

    def piece(self, axis: int) -> Use:
        """The evidence about ``x[:, i]``, for axis 1."""
        self.has_axis(axis)
        return self.pieces.setdefault(axis, Use())

    def has_rank(self, rank: int) -> None:
        """Note the number of axes; the first that is seen counts."""
        self.tensor = True
        self.rank = rank if self.rank is None else self.rank

    def has_axis(self, axis: int) -> None:
        """Note that there is an axis of this number."""
        self.tensor = True
        self.least_rank = max(self.least_rank, axis + 1 if axis >= 0 else -axis)

    def note_function(self, name: str, place: int | str) -> None:
        """Note a function that takes it at this place, once."""
        if (name, place) not in self.functions:
            self.functions.append((name, place))

    @property
    def keys(self) -> list[Any]:
        """The keys of a dict by which its items are read."""
        return [key for key in self.items if not isinstance(key, int)]


def word_of(key: Key) -> str:
    """The word in a key; empty if there is none."""
    words = [key] if isinstance(key, str) else key if isinstance(key, tuple) else []
    return next((word for word in words if isinstance(word, str)), "")
