"""Functions of torch.distributed answer for one process, and connect nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import distributed, nn

from bnlint.loading.missing.single_process import answer_for_one_process


@pytest.fixture
def alone() -> Iterator[None]:
    before, parallel = dict(vars(distributed)), nn.parallel.DistributedDataParallel
    answer_for_one_process()
    yield
    vars(distributed).update(before)
    nn.parallel.DistributedDataParallel = parallel  # type: ignore[misc]


@pytest.mark.usefixtures("alone")
def test_each_function_answers_as_in_a_group_of_one() -> None:
    distributed.init_process_group("nccl")
    assert (distributed.get_rank(), distributed.get_world_size()) == (0, 1)
    assert not distributed.is_initialized()  # code that asks goes its way without a group
    value = torch.tensor([1.0, 2.0])
    gathered = [torch.zeros(2)]
    distributed.all_gather(gathered, value)
    assert torch.equal(gathered[0], value)
    output, objects = torch.zeros(2), [None]
    distributed.all_gather_into_tensor(output, value)
    distributed.all_gather_object(objects, "own")
    distributed.all_reduce(value)
    assert torch.equal(output, value)
    assert torch.equal(value, torch.tensor([1.0, 2.0]))
    assert objects == ["own"]


@pytest.mark.usefixtures("alone")
def test_a_model_is_wrapped_as_for_many_processes() -> None:
    body = nn.Linear(3, 3)
    model = nn.parallel.DistributedDataParallel(body, device_ids=[0], find_unused_parameters=True)
    assert isinstance(model, nn.parallel.DistributedDataParallel)
    assert model.module is body
