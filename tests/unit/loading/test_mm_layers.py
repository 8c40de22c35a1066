"""Layers of mmcv and mmengine where they are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bnlint.loading.missing.stubs import Stub, Stubs
from bnlint.tracing.model import trace_model
from tests.unit.tracing.test_tracers import given

LINES = """
from mmcv.cnn import (
    ConvModule, DepthwiseSeparableConvModule, build_activation_layer, build_conv_layer,
    build_norm_layer, kaiming_init,
)
from mmcv.cnn.bricks.transformer import PatchEmbed
from mmcv.runner import BaseModule, ModuleList, Sequential
from mmengine.model import BaseModule as Base
"""


@pytest.fixture
def mm() -> Iterator[dict[str, Any]]:
    stubs, names = Stubs(), {}
    for package in ("mmcv", "mmengine"):
        stubs.add(package)
    try:
        exec(LINES, names)
        yield names
    finally:
        stubs.close()


def test_a_convolution_has_the_norm_and_activation_of_its_settings(mm: dict[str, Any]) -> None:
    made = mm["ConvModule"](3, 8, 3, stride=2, padding=1, norm_cfg={"type": "SyncBN"})
    assert [type(m) for m in made.children()] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert made.conv.bias is None
    assert made.norm is made.bn
    assert made(torch.zeros(2, 3, 8, 8)).shape == (2, 8, 4, 4)
    plain = mm["ConvModule"](3, 8, 1, act_cfg=None)
    assert [type(m) for m in plain.children()] == [nn.Conv2d]
    assert plain.conv.bias is not None
    line = {"type": "Conv1d"}, {"type": "BN1d"}
    first = mm["ConvModule"](
        4, 8, 1, conv_cfg=line[0], norm_cfg=line[1], order=("norm", "act", "conv")
    )
    assert first.bn.num_features == 4
    assert first(torch.zeros(2, 4, 5)).shape == (2, 8, 5)


def test_parts_of_a_separable_convolution_have_settings_of_their_own(mm: dict[str, Any]) -> None:
    norm, leaky = {"type": "BN"}, {"type": "LeakyReLU", "negative_slope": 0.2}
    made = mm["DepthwiseSeparableConvModule"](
        4, 8, 3, padding=1, norm_cfg=norm, dw_act_cfg=None, pw_act_cfg=leaky, pw_norm_cfg="default"
    )
    layers = [type(m) for m in made.modules() if not list(m.children())]
    assert layers == [nn.Conv2d, nn.BatchNorm2d, nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    assert made.depthwise_conv.conv.groups == 4
    assert made(torch.zeros(2, 4, 8, 8)).shape == (2, 8, 8, 8)


def test_layers_by_their_settings(mm: dict[str, Any]) -> None:
    name, norm = mm["build_norm_layer"]({"type": "GN", "num_groups": 2}, 8, postfix=2)
    assert (name, norm.num_groups, norm.num_channels) == ("gn2", 2, 8)
    name, norm = mm["build_norm_layer"]({"type": "BN", "requires_grad": False, "eps": 1e-3}, 8)
    assert (name, norm.eps, norm.weight.requires_grad) == ("bn", 1e-3, False)
    assert isinstance(mm["build_conv_layer"](None, 3, 8, 1), nn.Conv2d)
    assert isinstance(mm["build_conv_layer"]({"type": "Conv3d"}, 3, 8, 1), nn.Conv3d)
    assert isinstance(mm["build_activation_layer"]({"type": "GELU", "inplace": True}), nn.GELU)
    assert isinstance(mm["build_activation_layer"]({"type": "HSwish"}), nn.Hardswish)
    assert isinstance(mm["kaiming_init"], Stub)


def test_an_image_is_filled_up_to_whole_patches(mm: dict[str, Any]) -> None:
    made = mm["PatchEmbed"](3, 8, kernel_size=4, stride=4, norm_cfg={"type": "LN"}, input_size=30)
    patches, size = made(torch.zeros(2, 3, 30, 30))
    assert (patches.shape, size, made.init_out_size) == ((2, 64, 8), (8, 8), (8, 8))
    over = mm["PatchEmbed"](3, 8, kernel_size=7, stride=4, padding=3, input_size=(32, 64))
    patches, size = over(torch.zeros(2, 3, 32, 64))
    assert (patches.shape, size, over.init_out_size) == ((2, 128, 8), (8, 16), (8, 16))
    assert over.norm is None


def test_a_model_of_them_is_traced_whole_but_for_what_is_unknown(mm: dict[str, Any]) -> None:
    class Net(mm["BaseModule"]):  # type: ignore[misc]
        def __init__(self, norm: str, init_cfg: Any = None) -> None:
            super().__init__(init_cfg=init_cfg)
            conv = mm["ConvModule"](3, 8, 3, norm_cfg={"type": norm})
            self.body = mm["Sequential"](conv, nn.Dropout(0.1), init_cfg=None)
            self.more = mm["ModuleList"]([mm["ConvModule"](8, 4, 1)])

        def forward(self, x: Tensor) -> Any:
            return self.more[0](self.body(x))

    graph = trace_model(Net("BN"), inputs=given((2, 3, 8, 8)))
    assert graph.trace.complete
    assert [op.layer for op in graph.ops if "norm" in op.tags] == ["body.0.bn"]
    assert issubclass(mm["Base"], nn.Module)
    unknown = trace_model(Net("OfTheProject"), inputs=given((2, 3, 8, 8)))
    assert [part.path for part in unknown.trace.opaque] == ["body.0.oftheproject"]
    assert not [op.error for op in unknown.ops if op.error]
