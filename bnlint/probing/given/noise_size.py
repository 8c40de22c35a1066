"""How much noise a probe takes: as many samples as tell units apart, in batches that memory holds.

Feature maps of photographs take a hundred megabytes a sample. All of 256 samples at once would
fill the memory and take minutes, so large models get smaller batches, and very large ones fewer
samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch

from bnlint.domain.graph import Inputs, ModelGraph
from bnlint.graph.cost import cost_of
from bnlint.probing.given.batches import SAMPLES

_AT_ONCE = 2**30
"""Bytes of activations of one batch, on a CPU."""

_ALTOGETHER = 12 * _AT_ONCE

_ACCELERATED = 4
"""An accelerator takes so many times as much."""

_FEWEST = 16
"""A batch norm needs this many samples in a batch for steady statistics."""

_PER_INPUT_BYTE = 150
"""Activations of a byte of input where the graph is unknown; a ResNet-50 has about 180."""


@dataclass(frozen=True, slots=True)
class NoiseSize:
    """The number of samples and how many of them a batch holds; ``needed`` is in bytes.

    ``needed`` is what the activations of :data:`~bnlint.probing.given.batches.SAMPLES` samples
    take.
    """

    samples: int
    batch: int
    needed: int = 0


def noise_size(graph: ModelGraph | None, given: Inputs, device: torch.device) -> NoiseSize:
    """How many samples of noise, of the shapes in ``given``, to take on a device."""
    each = max(_bytes_per_sample(graph, given), 1)
    budget = _ALTOGETHER * (1 if device.type == "cpu" else _ACCELERATED)
    samples = _power_of_two(budget // each, 2 * _FEWEST)
    batch = _power_of_two(budget * _AT_ONCE // _ALTOGETHER // each, _FEWEST)
    return NoiseSize(samples, min(batch, samples), each * SAMPLES)


def _bytes_per_sample(graph: ModelGraph | None, given: Inputs) -> int:
    if not given.shapes or not given.shapes[0]:
        return 0
    if graph is not None and graph.ref.inputs == given:
        total = cost_of(graph).activation_bytes
        if total:
            return total // max(given.shapes[0][0], 1)
    sizes = [prod(shape[1:]) for shape in given.shapes]
    return 4 * _PER_INPUT_BYTE * sum(sizes)


def _power_of_two(most: int, least: int) -> int:
    """The largest power of two up to ``most``, between ``least`` and what is enough."""
    return min(max(1 << max(most.bit_length() - 1, 0), least), SAMPLES)
