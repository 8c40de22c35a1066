"""How a forward uses one of its arguments, as far as its source tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(slots=True)
class Use:
    """The evidence about one argument, or about one item or attribute of an argument.

    ``readers`` are the modules that are called with it, each with the number or the keyword of the
    argument there. ``mixers`` read it joined with something else: ``self.net(torch.cat((x, y)))``.
    ``rank`` is its number of axes; ``least_rank`` is set where only a lower limit is known.
    ``counts`` is true for a number of things, ``offset`` for the place where a slice begins.
    ``guarded`` is true if the forward asks whether it is None, ``time_first`` for lengths of
    sequences whose steps come before their batch.
    """

    readers: list[tuple[nn.Module, int | str]] = field(default_factory=list)
    mixers: list[nn.Module] = field(default_factory=list)
    functions: list[tuple[str, int | str]] = field(default_factory=list)
    literals: list[Any] = field(default_factory=list)
    items: dict[int | str, Use] = field(default_factory=dict)
    attributes: dict[str, Use] = field(default_factory=dict)
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

    def item(self, key: int | str) -> Use:
        """The evidence about an item."""
        return self.items.setdefault(key, Use())

    def attribute(self, name: str) -> Use:
        """The evidence about an attribute."""
        return self.attributes.setdefault(name, Use())

    def has_rank(self, rank: int) -> None:
        """Note the number of axes; the first that is seen counts."""
        self.tensor = True
        self.rank = rank if self.rank is None else self.rank

    def has_axis(self, axis: int) -> None:
        """Note that there is an axis of this number."""
        self.tensor = True
        self.least_rank = max(self.least_rank, axis + 1 if axis >= 0 else -axis)

    @property
    def keys(self) -> list[str]:
        """The keys of strings by which its items are read."""
        return [key for key in self.items if isinstance(key, str)]
