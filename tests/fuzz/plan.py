"""Random networks as plans: plain data that Hypothesis draws, shrinks and prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Act:
    """An activation by its name in ``building.ACTS``; ``style`` is module, function or method."""

    name: str
    style: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A kernel with its norm and activation; ``pre`` puts these two in front of the kernel.

    ``shared`` says that something else reads what it reads; ``dropout`` stands before the kernel,
    ``idle`` is a layer that does nothing between kernel and norm, ``gate`` scales the result.
    """

    channels: tuple[int, int]
    kernel: str = "plain"
    norm: str = "batch"
    act: Act | None = None
    pre: bool = False
    shared: bool = False
    dropout: bool = False
    idle: bool = False
    gate: str = ""
    written: bool = False


@dataclass(frozen=True, slots=True)
class Residual:
    """``body`` added to its input, which a ``shortcut`` projects where the channels differ."""

    body: tuple[Unit, ...]
    shortcut: Unit | None = None
    act: Act | None = None
    how: str = "sequential"


@dataclass(frozen=True, slots=True)
class Branches:
    """Chains that read the same input; their results are concatenated."""

    chains: tuple[tuple[Unit, ...], ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Units in a row; ``how`` says how forward walks over them."""

    units: tuple[Unit, ...]
    how: str = "sequential"


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool by the start of its class's name."""

    name: str


Block = Residual | Branches | Chain | Pool


@dataclass(frozen=True, slots=True)
class Net:
    """Blocks and a head, over ``dims`` spatial axes (0: vectors); ``given``: inputs are passed."""

    dims: int
    blocks: tuple[Block, ...]
    width: int
    head: str
    given: bool


def units_of(net: Net) -> Iterator[Unit]:
    """The units in the order in which they are built."""
    for block in net.blocks:
        match block:
            case Chain(units):
                yield from units
            case Branches(chains):
                for chain in chains:
                    yield from chain
            case Residual(body, shortcut):
                yield from body
                if shortcut is not None:
                    yield shortcut
