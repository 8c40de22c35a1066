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
class Chain:
    """Parts in a row; ``how`` says how forward walks over them. Without any it is an identity."""

    parts: tuple[Part, ...] = ()
    how: str = "sequential"


@dataclass(frozen=True, slots=True)
class Residual:
    """``body`` added to its input, which a ``shortcut`` projects where the channels differ."""

    body: Chain
    shortcut: Unit | None = None
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class Branches:
    """Chains that read the same input; their results are concatenated."""

    chains: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Resize:
    """A pool, by the start of its class's name, or ``Up`` back again."""

    name: str


Part = Unit | Chain | Residual | Branches | Resize


@dataclass(frozen=True, slots=True)
class Net:
    """Parts and a head, over ``dims`` spatial axes (0: vectors); ``given``: inputs are passed."""

    dims: int
    body: Chain
    width: int
    head: str
    given: bool


def units_of(part: Part) -> Iterator[Unit]:
    """The units in the order in which they are built."""
    match part:
        case Unit():
            yield part
        case Chain(parts) | Branches(parts):
            for inner in parts:
                yield from units_of(inner)
        case Residual(body, shortcut):
            yield from units_of(body)
            if shortcut is not None:
                yield shortcut


def is_pre(part: Part) -> bool:
    """True where the part begins with the norm of a pre-activation unit."""
    match part:
        case Unit(pre=pre):
            return pre
        case Chain(parts) | Branches(parts):
            return any(is_pre(inner) for inner in parts[:1])
        case Residual(body):
            return is_pre(body)
    return False


def ends_normed(part: Part) -> bool:
    """True where a norm gives the result of the part, or of a branch of it."""
    match part:
        case Unit(pre=pre, act=act):
            return not pre and act is None
        case Chain(parts):
            kept = [inner for inner in parts if not isinstance(inner, Resize)]
            return any(ends_normed(inner) for inner in kept[-1:])
        case Branches(chains):
            return any(ends_normed(chain) for chain in chains)
    return False
