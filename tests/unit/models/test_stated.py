"""Sizes that a model was told when it was built, or keeps, as inputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bnlint.loading.sites import record_sites
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.models.guessing.inputs.of_layers import Stated, stated


class Patches(nn.Module):
    """Unfolds an image before its first layer, and keeps no sizes."""

    def __init__(self, image_size: int = 64, channels: int = 3, patch: int = 8) -> None:
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(channels * patch * patch, 32)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        p = self.patch
        rows = image.unfold(2, p, p).unfold(3, p, p)
        return self.embed(rows.permute(0, 2, 3, 1, 4, 5).flatten(3))


def _image(height: int, width: int, channels: int | None) -> Stated:
    return Stated((height, width), (height, width), channels)


def test_arguments_of_the_constructor_and_of_those_that_derive_from_it() -> None:
    class Wide(Patches):
        def __init__(self, img_size: tuple[int, int], in_chans: int) -> None:
            super().__init__(image_size=img_size[0], channels=in_chans)

    with record_sites():
        assert stated(Patches(48)) == _image(48, 48, channels=3)
        assert stated(Wide((32, 96), 1)) == _image(32, 96, channels=1)


def test_a_live_model_tells_by_its_attributes_or_defaults() -> None:
    assert stated(Patches(48)) == _image(64, 64, channels=3)
    model = Patches(48)
    model.image_size = 48
    assert stated(model) == _image(48, 48, channels=3)


@pytest.mark.parametrize("name", ["input_shape", "size_img", "shape_of_input"])
def test_channels_may_stand_before_the_size(name: str) -> None:
    model = nn.Module()
    setattr(model, name, (1, 28, 28))
    assert stated(model) == _image(28, 28, channels=1)


@pytest.mark.parametrize("size", [True, "large", 0, 10**9, (1, 2, 3, 4), None])
def test_what_is_no_size_is_passed_over(size: object) -> None:
    model = nn.Module()
    model.image_size = size
    assert stated(model) == Stated()


def test_the_stated_image_is_tried_first() -> None:
    with record_sites():
        model = Patches(48)
    first = infer(model)[0].args[0]
    assert first.shape == (2, 3, 48, 48)
    assert model(torch.zeros(first.shape)).shape == (2, 6, 6, 32)


class Signals(nn.Module):
    """Takes channels and samples, as models of brain waves do."""

    def __init__(self, n_chans: int, n_times: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, (1, 5))
        self.head = nn.Linear(4 * n_chans * (n_times - 4), 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x[:, None]).flatten(1))


def test_channels_and_samples_make_an_input() -> None:
    with record_sites():
        model = Signals(22, 100)
    first = infer(model)[0].args[0]
    assert first.shape == (2, 22, 100)
    assert model(torch.zeros(first.shape)).shape == (2, 2)


class Table(nn.Module):
    """Its input size is a number of features."""

    def __init__(self, input_size: int = 10) -> None:
        super().__init__()
        self.first = nn.Linear(input_size, 4)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.first(x))


def test_an_input_size_is_an_image_only_where_a_convolution_reads_it() -> None:
    with record_sites():
        table = Table(10)
    assert infer(table)[0].args[0].shape == (2, 10)
    picture = nn.Sequential(nn.Conv2d(3, 4, 3))
    picture.input_size = 40
    assert infer(picture)[0].args[0].shape == (2, 3, 40, 40)


def test_frames_make_a_film() -> None:
    film = Stated((32, 32), channels=3, frames=8)
    assert list(film.shapes(2)) == [(2, 3, 8, 32, 32), (2, 3, 32, 32)]


def test_height_and_width_are_one_size_together() -> None:
    model = nn.Module()
    model.h_image_size, model.w_image_size = 96, 48
    assert stated(model) == _image(96, 48, channels=None)
    alone = nn.Module()
    alone.width = 48  # of its layers, maybe
    assert stated(alone) == Stated()


def test_settings_that_a_model_keeps_state_sizes_too() -> None:
    model = nn.Module()
    model.net_info = {"type": "net", "height": "416", "width": "320", "batch": "64"}
    assert stated(model) == _image(416, 320, channels=None)
    blocks = nn.Module()
    blocks.blocks = [{"height": 96, "width": 64}, {"type": "convolutional", "size": "3"}]
    assert stated(blocks) == _image(96, 64, channels=None)
