"""What is noticed of one input of a forward, or of an item or attribute of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from bnlint.models.guessing.guess import empty
from bnlint.models.guessing.inputs.asked import Asked
from bnlint.models.guessing.inputs.of_layers import BATCH
from bnlint.models.lexicon import WIDTH
from bnlint.models.reading.use import Use, word_of

_UNSET = object()


@dataclass(slots=True, eq=False)
class NoticedPart:
    """The use of an input up to now, and the value that it became once torch took it.

    ``values`` are the likely ones for a use, ``inner`` makes the unknown input for an item or
    attribute. ``items`` and ``attributes`` are those that were read, or set by the forward.
    """

    asked: Asked
    values: Callable[[Asked], list[Any]]
    inner: Callable[[Asked], Any]
    found: Any = _UNSET
    items: dict[Any, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def use(self) -> Use:
        """What is known of its use."""
        return self.asked.use

    @property
    def is_found(self) -> bool:
        """True if it has a value."""
        return self.found is not _UNSET

    @property
    def count(self) -> int:
        """How many items it has, as far as is known."""
        numbers = [key for key in self.use.items if isinstance(key, int)]
        return self.use.length or max((2, *(n + 1 if n >= 0 else -n for n in numbers)))

    def value(self) -> Any:
        """Its value: the likeliest one for what is known of its use when it is asked first."""
        if not self.is_found:
            options = self.values(self.asked)
            self.found = options[0] if options else empty((BATCH, 3, WIDTH, WIDTH))
        return self.found

    def tensor(self) -> Any:
        """Its value, where something is done with it that is only done with tensors."""
        self.use.tensor |= not (self.is_found or self.use.keys or self.use.attributes)
        return self.value()

    def item(self, key: Any) -> Any:
        """The item with this key."""
        if key not in self.items:
            if not isinstance(key, int):
                self.holds_items()
            self.items[key] = self.inner(Asked(word_of(key) or self.asked.name, self.use.item(key)))
        return self.items[key]

    def attribute(self, name: str) -> Any:
        """The attribute of this name, which no tensor has."""
        if name not in self.attributes:
            self.holds_items()
            self.attributes[name] = self.inner(Asked(name, self.use.attribute(name)))
        return self.attributes[name]

    def is_list(self) -> bool:
        """False if it seems to be a tensor, so that its items are no inputs of their own."""
        if self.use.tensor or self.use.rank is not None:
            return False
        first = next(iter(self.values(self.asked)), None)
        if not isinstance(first, torch.Tensor):
            return True
        held = self.use.items or self.use.iterated  # but edges are a tensor, even if unpacked
        return bool(held) and first.is_floating_point()

    def holds_items(self) -> None:
        """Note that it is no tensor, whatever layer the source seems to hand it to."""
        self.use.tensor, self.use.rank, self.use.least_rank = False, None, 0
        self.use.readers.clear()

    def note_literal(self, value: Any) -> None:
        """Note a word or number that it is compared with."""
        if not self.is_found and value not in self.use.literals:
            self.use.literals.append(value)
