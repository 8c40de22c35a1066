"""Models that keep their sizes in a config get inputs of these sizes."""

from __future__ import annotations

import torch
from torch import nn

from bnlint.models.guessing.of_forward import infer


class VisionConfig:
    image_size, num_channels = 48, 4


class Config:
    def __init__(self) -> None:
        self.vision_config, self.hidden_size = VisionConfig(), 24
        self.is_encoder_decoder = False


class Model(nn.Module):
    main_input_name = "input_ids"

    def __init__(self) -> None:
        super().__init__()
        self.config = Config()


class Both(Model):
    def forward(self, input_ids=None, pixel_values=None, inputs_embeds=None, labels=None): ...


class Block(Model):
    def forward(self, hidden_states, attention_mask=None): ...


class Other(Model):
    def forward(self, nothing_known): ...


def shapes(model: nn.Module) -> list[dict[str, tuple[int, ...]]]:
    return [{k: tuple(v.shape) for k, v in g.kwargs.items()} for g in infer(model)]


def test_all_that_a_model_reads_comes_before_its_main_input_alone():
    found = shapes(Both())
    assert found[0] == {"input_ids": (2, 16), "pixel_values": (2, 4, 48, 48)}
    assert found[-1] == {"input_ids": (2, 16)}


def test_a_block_takes_hidden_states():
    assert shapes(Block()) == [{"hidden_states": (2, 16, 24)}]


def test_unknown_inputs_are_left_to_others():
    assert shapes(Other()) == []


def test_a_decoder_gets_ids_of_its_own():
    class Decoder(Model):
        def forward(self, input_ids, decoder_input_ids=None): ...

    model = Decoder()
    model.config.is_encoder_decoder = True
    (only,) = infer(model)
    assert only.kwargs["decoder_input_ids"].dtype == torch.long
