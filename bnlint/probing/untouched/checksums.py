"""Whether weights are the same at the end, by a sum over their bits: a second copy takes memory."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from bnlint.probing.untouched.copy_on_write import memory

_WHOLE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_WORD = 8
"""Bytes."""


def checksums(parameters: Iterable[Tensor]) -> list[Tensor | None]:
    """A sum over the bits of each parameter; None where it has none of its own in memory."""
    return [_sum(parameter) for parameter in parameters]


def differing(before: list[Tensor | None], after: list[Tensor | None]) -> list[bool]:
    """Whether each sum is another one; read from each device at once."""
    found = [False] * len(before)
    devices: dict[torch.device, list[int]] = {}
    for n, (one, other) in enumerate(zip(before, after, strict=True)):
        if one is not None and other is not None:
            devices.setdefault(one.device, []).append(n)
    for places in devices.values():
        rows = [torch.stack([s[n] for n in places]) for s in (before, after)]  # type: ignore[misc]
        for n, same in zip(places, (rows[0] == rows[1]).tolist(), strict=True):
            found[n] = not same
    return found


def _sum(parameter: Tensor) -> Tensor | None:
    own = parameter.detach()
    if type(own) is not Tensor or not memory(parameter):
        return None  # shards of a distributed one would wait for the other processes
    if own.is_complex():
        own = torch.view_as_real(own)
    try:
        return _of_bits(own)
    except RuntimeError:  # quantized numbers, a device without such sums
        return None


def _of_bits(own: Tensor) -> Tensor | None:
    """A sum that may overflow, in words of 64 bits where that is possible: the fastest by far."""
    words = own.is_contiguous() and own.nbytes % _WORD == 0
    if words and own.storage_offset() * own.element_size() % _WORD == 0:
        return own.view(-1).view(torch.int64).sum()
    whole = _WHOLE.get(own.element_size())
    return None if whole is None else own.view(whole).sum(dtype=torch.int64)
