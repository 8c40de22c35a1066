from __future__ import annotations

import torch
from torch import nn

from bnlint.loading.user_code import NoAccelerator
from bnlint.models.building import build


def test_what_is_wanted_on_cuda_stays_where_it_is() -> None:
    with NoAccelerator():
        model = nn.Linear(2, 2).cuda().to("cuda:0").to(torch.device("cuda"))
        values = [torch.zeros(2, device="cuda"), torch.ones(2).to("cuda", torch.float16)]
        values.append(torch.ones(2).to(device="cuda", dtype=torch.float64))
        assert torch.equal(torch.ones(1).cuda(), torch.ones(1))
    assert {t.device.type for t in [*values, *model.parameters()]} == {"cpu"}
    assert [v.dtype for v in values] == [torch.float32, torch.float16, torch.float64]


def test_models_for_cuda_are_built_on_meta() -> None:
    with NoAccelerator():
        model = build(lambda: nn.Sequential(nn.Linear(2, 2, device="cuda"), nn.ReLU()).cuda())
    assert model[0].weight.shape == (2, 2)


def test_other_moves_are_left_alone() -> None:
    with NoAccelerator():
        assert torch.ones(2).to("meta").is_meta
        assert torch.ones(2).to(torch.int8).dtype is torch.int8
        assert nn.Linear(2, 2).to(torch.float64).weight.dtype is torch.float64
