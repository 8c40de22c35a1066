"""What a model costs, layer by layer: parameters, multiply-adds, memory of activations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerCost:
    """The cost of one layer or function; ``multiply_adds`` is None if they could not be counted."""

    layer: str
    kind: str
    parameters: int = 0
    multiply_adds: int | None = 0
    activation_bytes: int | None = 0


@dataclass(frozen=True, slots=True)
class ModelCost:
    """The cost of a model for the inputs it was traced with.

    ``parameters`` counts tied ones once; ``tied`` is what the other places would add. ``unused``
    are those that no operation reads, None if not all operations are known. ``uncounted`` names
    the layers whose multiply-adds or activations are not part of the sums. A sum is None if nothing
    is known.
    """

    parameters: int
    trainable: int
    tied: int
    unused: int | None
    multiply_adds: int | None
    activation_bytes: int | None
    layers: tuple[LayerCost, ...] = ()
    uncounted: tuple[str, ...] = ()
