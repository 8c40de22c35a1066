"""What the inputs of a model with a config are, by their names, in the sizes of the config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from bnlint.models.guessing.guess import empty
from bnlint.models.guessing.inputs.of_layers import BATCH, LENGTH
from bnlint.models.meta.known_numbers import hollow

_FRAMES, _SAMPLES = 200, 16000

Options = list[Any]


class Config:
    """The settings of a config and of those inside it."""

    def __init__(self, config: Any) -> None:
        self.all = [config]
        for inner in self.all:
            values = vars(inner) if hasattr(inner, "__dict__") else {}
            self.all += [v for k, v in values.items() if _is_config(k, v) and v not in self.all]

    def get(self, *names: str, default: Any = None, within: str = "") -> Any:
        """The first of these settings that is stated; ``within`` names the configs to prefer."""
        preferred = [c for c in self.all if within and within in _class_name(c)]
        for config in (*preferred, *self.all):
            for name in names:
                value = getattr(config, name, None)
                if value is not None and not callable(value):
                    return value
        return default

    def number(self, *names: str, default: int = 0, within: str = "") -> int:
        """The first of these settings as a number."""
        value = self.get(*names, within=within)
        if isinstance(value, (list, tuple)) and value:
            value = value[0]
        return value if isinstance(value, int) and not isinstance(value, bool) else default


def _class_name(config: Any) -> str:
    return type(config).__name__.lower()


def _is_config(name: str, value: Any) -> bool:
    return name.endswith("config") and hasattr(value, "__dict__") and not isinstance(value, type)


def _ids(config: Config) -> Options:
    return [empty((BATCH, LENGTH), torch.long)]


def _mask(config: Config) -> Options:
    return [hollow(torch.ones(BATCH, LENGTH, dtype=torch.long))]


def _places(config: Config) -> Options:
    return [hollow(torch.arange(LENGTH).expand(BATCH, LENGTH))]


def _boxes(config: Config) -> Options:
    return [hollow(torch.ones(BATCH, LENGTH, 4, dtype=torch.long))]


def _side(config: Config) -> tuple[int, ...]:
    size = config.get("image_size", "input_size", within="vision", default=224)
    if isinstance(size, Mapping):
        size = (size.get("height", 224), size.get("width", 224))
    sides = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
    return sides if all(isinstance(side, int) for side in sides) else (224, 224)


def _channels(config: Config) -> int:
    names = ("num_channels", "in_channels", "in_chans", "num_input_channels")
    return config.number(*names, default=3, within="vision")


def _images(config: Config) -> Options:
    channels, sides = _channels(config), _side(config)
    frames = config.number("num_frames")
    large = (4 * side for side in sides)  # some cut an image into patches of its stated size
    shapes = [(BATCH, channels, *sides), (BATCH, 2, channels, *sides), (BATCH, channels, *large)]
    if frames:
        shapes.insert(0, (BATCH, frames, channels, *sides))
    return [empty(shape) for shape in shapes]


def _videos(config: Config) -> Options:
    frames = config.number("num_frames", "frames_per_clip", default=8)
    return [empty((BATCH, frames, _channels(config), *_side(config)))]


def _spectra(config: Config) -> Options:
    names = ("num_mel_bins", "feature_size", "input_feat_per_channel", "input_dim")
    bins = config.number(*names, "feature_projection_input_dim", "mel_bins", default=80)
    long = 2 * config.number("max_source_positions", default=1500)
    upright, flat = empty((BATCH, bins, long)), empty((BATCH, _FRAMES, bins))
    first = [upright, flat] if config.get("max_source_positions") else [flat, upright]
    return [*first, empty((BATCH, 1, config.number("spec_size", default=1024), bins))]


def _sounds(config: Config) -> Options:
    bins, length = config.number("num_mel_bins"), config.number("max_length")
    channels = config.number("audio_channels")
    shapes: list[tuple[int, ...]] = [(BATCH, _SAMPLES)]
    if channels:
        shapes.insert(0, (BATCH, channels, _SAMPLES))
    elif bins and config.get("frequency_stride"):
        shapes.insert(0, (BATCH, length or 1024, bins))
    elif bins:
        shapes.append((BATCH, _FRAMES, bins))
    return [*map(empty, shapes), *_hidden(config)]


def _hidden(config: Config) -> Options:
    width = config.number("hidden_size", "d_model", "dim", "n_embd", default=64)
    return [empty((BATCH, LENGTH, width))]


def _turns(config: Config) -> Options:
    """Cosine and sine of a rotation, for all features of an attention head or for some of them."""
    heads = max(config.number("num_attention_heads", "num_heads", "n_head", default=1), 1)
    whole = config.number("head_dim") or _hidden(config)[0].shape[-1] // heads
    part = config.get("partial_rotary_factor", "rotary_pct", default=1)
    widths = [whole, config.number("qk_rope_head_dim"), config.number("rotary_dim")]
    if isinstance(part, float):
        widths.append(int(whole * part))
    return [(empty((BATCH, LENGTH, w)), empty((BATCH, LENGTH, w))) for w in widths if w]


def _patches(config: Config) -> Options:
    side = config.number("patch_size", default=16, within="vision")
    return [empty((BATCH, LENGTH, side * side * _channels(config) + 2))]


def _series(config: Config) -> Options:
    length, width = config.number("context_length", default=32), config.get("lags_sequence")
    channels = config.number("num_input_channels", "input_size", default=1)
    length += max(width, default=0) if isinstance(width, (list, tuple)) else 0
    wide = empty((BATCH, length, channels))
    return [empty((BATCH, length)), wide] if width and channels == 1 else [wide]


def _times(config: Config) -> Options:
    length = _series(config)[0].shape[1]
    return [empty((BATCH, length, max(config.number("num_time_features"), 1)))]


def _later(config: Config) -> Options:
    length = config.number("prediction_length", default=1)
    return [empty((BATCH, length, max(config.number("num_time_features"), 1)))]


def _tasks(config: Config) -> Options:
    return [empty((BATCH, config.number("task_seq_len", default=77)), torch.long)]


def _yes(config: Config) -> Options:
    return [hollow(torch.ones(BATCH, 1, dtype=torch.bool))]


HIDDEN = frozenset({"hidden_states", "hidden_state", "inputs_embeds", "encoder_hidden_states"})
WITH_HIDDEN = frozenset({"position_embeddings"})
MASKS = frozenset({"attention_mask", "encoder_attention_mask"})
"""What a block that is given hidden states takes beside them: a mask of its own or none."""

INPUTS: dict[str, Callable[[Config], Options]] = {
    **dict.fromkeys(("input_ids", "decoder_input_ids", "token_type_ids"), _ids),
    **dict.fromkeys(("attention_mask", "encoder_attention_mask", "decoder_attention_mask"), _mask),
    **dict.fromkeys(("position_ids", "cache_position"), _places),
    **dict.fromkeys((*sorted(HIDDEN), "inputs"), _hidden),
    **dict.fromkeys(("pixel_values", "images", "pixel_embeds"), _images),
    **dict.fromkeys(("past_time_features", "past_observed_mask"), _times),
    "position_embeddings": _turns,
    "future_time_features": _later,
    "pixel_values_videos": _videos,
    "input_features": _spectra,
    "audio_mel": _spectra,
    "spectrogram": _spectra,
    "input_values": _sounds,
    "decoder_input_values": _sounds,
    "flattened_patches": _patches,
    "past_values": _series,
    "task_inputs": _tasks,
    "is_longer": _yes,
    "bbox": _boxes,
}
"""What each argument may be, by its name."""

MODALITIES = frozenset(
    {"input_ids", "pixel_values", "input_features", "input_values", "pixel_values_videos", "bbox"}
    | {"past_values", "flattened_patches", "is_longer"}
)
"""Inputs that are what a model is about."""
DECODER = ("decoder_input_ids", "decoder_input_values")
