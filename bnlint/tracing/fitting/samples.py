"""Inputs with another number of samples, and with one number for each of them."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.models.guessing.guess import Guess
from bnlint.tracing.fitting.demand import OtherSize
from bnlint.tracing.fitting.slots import like, slots_of, with_sizes, with_slots
from bnlint.tracing.fitting.watching import Trail


def with_batch(guess: Guess, trail: Trail, want: int) -> Guess:
    """The call with so many samples; of one sample, inputs of whole numbers are one number."""
    slots = slots_of(guess)
    counts = {slots[slot].shape[0] for slot in trail.slots if slots[slot].ndim}
    sizes = {(n, 0): want for n, t in enumerate(slots) if t.ndim and t.shape[0] in counts}
    if want == 1:
        whole = (slot for slot in trail.slots if not slots[slot].is_floating_point())
        sizes |= {(slot, axis): 1 for slot in whole for axis in range(slots[slot].ndim)}
    return with_sizes(guess, sizes)


def with_rows(guess: Guess, trail: Trail, demand: OtherSize) -> Iterator[Guess]:
    """More samples, where a view with a fixed number of rows took them from the features."""
    rows, got = demand.tensor.shape[0], demand.got
    batch = next((t.shape[0] for n, t in enumerate(slots_of(guess)) if n in trail.slots), 0)
    if demand.axis and got and batch and rows > batch and rows * got == batch * demand.want:
        yield with_batch(guess, trail, rows)


def with_labels(guess: Guess, slots: set[int]) -> Iterator[Guess]:
    """One number for each sample, where a row of them gives a size that nothing asks for."""
    held = slots_of(guess)
    for slot in sorted(slots):
        if held[slot].ndim == 2 and not held[slot].is_floating_point():
            yield with_slots(guess, {slot: like(held[slot], held[slot].shape[:1])})
