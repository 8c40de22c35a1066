"""Models that keep their sizes in a config get inputs of these sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bnlint.domain.graph import ModelRef
from bnlint.loading.parsing import Source, read
from bnlint.models.guessing.inputs.of_forward import find_inputs, infer
from bnlint.models.meta.known_numbers import numbers_of
from bnlint.tracing.model import trace_model


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


def test_a_block_without_a_config_goes_by_that_of_its_parts():
    class Attention(Model):
        def __init__(self) -> None:
            super().__init__()
            self.config.num_attention_heads = 3

        def forward(self, hidden_states, position_embeddings=None):
            cos, sin = position_embeddings
            return hidden_states * cos.repeat(1, 1, 3) + sin.sum()

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention()

        def forward(self, hidden_states, attention_mask, position_embeddings=None):
            return self.attention(hidden_states, position_embeddings)

    first = infer(Layer())[0]
    assert first.kwargs["attention_mask"] is None
    assert [tuple(t.shape) for t in first.kwargs["position_embeddings"]] == [(2, 16, 8)] * 2
    assert Layer()(**first.kwargs).shape == (2, 16, 24)


def test_a_forward_that_hands_on_all_keywords_has_the_inputs_of_the_one_it_extends():
    class Extended(Both):
        def forward(self, **given):
            return super().forward(**given)

    assert shapes(Extended()) == shapes(Both())


def test_part_of_a_head_may_turn():
    class Attention(Model):
        def __init__(self) -> None:
            super().__init__()
            self.config.num_attention_heads, self.config.partial_rotary_factor = 3, 0.5

        def forward(self, hidden_states, position_embeddings): ...

    widths = [g.kwargs["position_embeddings"][0].shape[-1] for g in infer(Attention())]
    assert widths == [8, 4]


def test_text_alone_comes_last_where_a_model_names_several_main_inputs():
    class Several(Both):
        main_input_name = ("pixel_values", "input_ids")

    found = shapes(Several())
    assert set(found[0]) == {"pixel_values", "input_ids"}
    assert found[-1] == {"input_ids": (2, 16)}


def test_without_a_token_for_padding_one_sample_is_tried_last():
    model = Both()
    model.config.pad_token_id = None
    assert shapes(model)[-2:] == [{"input_ids": (2, 16)}, {"input_ids": (1, 16)}]


class Cached(Model):
    """Makes a cache of more layers than its config names, where caches are on."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(50, 24), nn.Linear(24, 50)

    def forward(self, input_ids, use_cache=None):
        hidden = self.words(input_ids)
        if use_cache is None:
            hidden = hidden + [hidden][self.config.cached]
        return self.head(hidden)


@pytest.mark.parametrize("guessed", [("config",), ()])
def test_only_a_guessed_config_is_a_reason_to_do_without_a_cache(guessed):
    model = Cached()
    model.config.cached = 1
    ref = ModelRef("net.py", "Cached", "class", guessed=guessed)
    source = read("net.py", "")
    assert isinstance(source, Source)
    inputs = find_inputs(model, source, ref)
    graph = trace_model(model, ref=ref, inputs=inputs)
    assert graph.trace.complete is bool(guessed)
    assert len(inputs.candidates) == 1 + len(guessed)


class Masked(Model):
    main_input_name = "input_features"

    def forward(self, input_features, input_features_mask=None, attention_mask=None):
        lengths = input_features_mask.sum(-1)
        return input_features.sum((1, 2)) / lengths


class MaskedIfGiven(Model):
    main_input_name = "input_features"

    def forward(self, input_features, input_features_mask=None):
        if input_features_mask is not None:
            input_features = input_features * input_features_mask.unsqueeze(1)
        return input_features


def test_a_mask_that_is_read_without_asking_is_given():
    model = Masked()
    model.config.num_mel_bins, model.config.max_source_positions = 8, 20
    first = infer(model)[0].kwargs
    assert tuple(first["input_features"].shape) == (2, 8, 40)
    assert tuple(first["input_features_mask"].shape) == (2, 40)
    assert numbers_of(first["input_features_mask"]).all()
    assert "attention_mask" not in first
    assert all("input_features_mask" not in call.kwargs for call in infer(MaskedIfGiven()))
