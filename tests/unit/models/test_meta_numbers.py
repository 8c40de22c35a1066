"""Models are built on meta, also where a constructor reads numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bnlint.models.building import build
from bnlint.models.meta.known_numbers import LIMIT, forget_numbers, hollow, numbers_of
from bnlint.models.meta.meta_mode import MetaMode, on_meta


class Asks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.big = nn.Linear(100_000, 100_000)
        rates = torch.linspace(0, 0.2, 3, device="cpu")
        self.rates = [rate.item() for rate in rates]
        self.width = int(torch.tensor([4, 8]).max())
        self.scale = float(self.big.weight[0, 0])
        self.large = bool((torch.zeros(LIMIT + 1) > 1).any())
        table = torch.arange(6).view(2, 3)
        table[1] += 1
        self.table = table.flatten().tolist()


def test_a_constructor_that_reads_numbers_needs_no_memory():
    model = build(Asks)
    assert isinstance(model, Asks)
    assert model.big.weight.is_meta
    assert model.width == 8
    assert model.table == [0, 1, 2, 4, 5, 6]
    assert [round(rate, 3) for rate in model.rates] == [0, 0.1, 0.2]


def test_numbers_are_forgotten_by_all_views():
    with MetaMode():
        whole = torch.zeros(4, 2)
        part = whole[1:3]
    assert numbers_of(part) is not None
    forget_numbers(part)
    assert numbers_of(whole) is None


def test_a_twin_is_made_once_and_leaves_the_tensor_alone():
    tensor = torch.arange(3)
    twin = hollow(tensor)
    assert twin.is_meta
    assert hollow([tensor])[0] is twin
    with MetaMode():
        tensor.add_(1)
        assert twin.tolist() == [1, 2, 3]
    assert torch.equal(tensor, torch.arange(3))


def test_numbers_stay_known_on_another_device():
    with MetaMode():
        lengths = torch.tensor([4, 2]).to("cpu")
    assert lengths.is_meta
    assert numbers_of(lengths).tolist() == [4, 2]


def test_numbers_are_on_the_cpu_whatever_device_is_the_default():
    run = on_meta(torch.arange)
    with torch.device("meta"):
        made = run(4)
    assert made.is_meta
    assert numbers_of(made).tolist() == [0, 1, 2, 3]


def test_states_of_unlike_layers_for_packed_sequences_are_an_error() -> None:
    """torch reads a cell state for each hidden one, and crashes without."""
    layer = nn.LSTM(8, 8, 2, device="meta")
    packed = nn.utils.rnn.PackedSequence(torch.empty(10, 8, device="meta"), torch.tensor([4, 4, 2]))
    states = torch.empty(3, 4, 8, device="meta"), torch.empty(2, 4, 8, device="meta")
    with MetaMode(), pytest.raises(RuntimeError, match="numbers of layers"):
        layer(packed, states)
