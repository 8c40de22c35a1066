"""Transforms of audio where torchaudio is not installed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from bnlint.layers.table import builtin_table
from bnlint.loading.missing.audio_transforms import TRANSFORMS
from bnlint.loading.missing.stubs import Stubs
from bnlint.models.guessing.guess import Guess, Guesses
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.tracing.model import trace_model
from bnlint.tracing.tracers.symbolic import trace_symbolically

WAVE = torch.zeros(2, 1, 16000)


@pytest.fixture(autouse=True)
def missing() -> Iterator[None]:
    stubs = Stubs()
    for name in ("torchaudio", "opt_einsum"):
        stubs.add(name)
    yield
    stubs.close()


def named(expression: str) -> Any:
    names: dict[str, Any] = {"torch": torch}
    exec("import torchaudio\nimport torchaudio.transforms as T\nimport opt_einsum as oe", names)
    return eval(expression, names)


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        ("torchaudio.transforms.Spectrogram()", (2, 1, 201, 81)),
        ("T.Spectrogram(512, hop_length=100, power=None)", (2, 1, 257, 161)),
        ("T.Spectrogram(400, center=False, pad=40)", (2, 1, 201, 79)),
        ("T.MelSpectrogram(16000, n_fft=512, win_length=400, hop_length=160, f_min=20, "
         "window_fn=torch.hamming_window, n_mels=80)", (2, 1, 80, 101)),
        ("T.MFCC(16000, n_mfcc=13, melkwargs={'n_mels': 40, 'hop_length': 160})", (2, 1, 13, 101)),
        ("T.LFCC(16000, n_lfcc=20)", (2, 1, 20, 81)),
        ("T.Resample(16000, new_freq=8000)", (2, 1, 8000)),
        ("T.Resample(44100, 16000)", (2, 1, math.ceil(16000 * 16000 / 44100))),
        ("T.Resample()", (2, 1, 16000)),
    ],
)  # fmt: skip
def test_a_waveform_becomes_maps_of_the_documented_shape(made: str, shape: tuple[int, ...]) -> None:
    layer = named(made)
    assert layer(WAVE).shape == shape
    assert layer(WAVE[:, 0]).shape == (2, *shape[2:])
    record = trace_symbolically(layer, builtin_table(), Guess())
    assert record.complete, record.refused


@pytest.mark.parametrize(
    "made",
    ["T.AmplitudeToDB('power', top_db=80)", "T.FrequencyMasking(freq_mask_param=8)",
     "T.TimeMasking(35, True)"],
)  # fmt: skip
def test_what_is_done_with_maps_keeps_their_shape(made: str) -> None:
    maps = torch.rand(2, 1, 64, 81)
    assert named(made)(maps).shape == maps.shape


def test_a_tone_is_heard_in_its_band() -> None:
    tone = torch.sin(2 * math.pi * 1000 * torch.arange(16000) / 16000)
    power = named("T.MelSpectrogram(16000, n_mels=40)")(tone).mean(-1)
    heard = int(power.argmax())
    mel = [2595 * math.log10(1 + f / 700) for f in (1000, 8000)]
    assert abs(heard - (mel[0] / mel[1] * 41 - 1)) <= 1


def test_what_is_provided_is_called_what_the_file_calls_it() -> None:
    assert {kind.__module__ for kind in TRANSFORMS.values()} == {"torchaudio.transforms"}
    assert named("oe.contract")("ij,jk->ik", torch.ones(2, 3), torch.ones(3, 4)).shape == (2, 4)


class Speaker(nn.Module):
    def __init__(self, axis: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3) if axis else nn.Conv1d(80, 8, 5)
        self.heard = named("T.MelSpectrogram(16000, n_mels=80)")
        self.norm = nn.BatchNorm2d(8) if axis else nn.BatchNorm1d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.norm(self.conv((self.heard(x) + 1e-6).log()))
        return found


@pytest.mark.parametrize(("axis", "shape"), [(True, (2, 8, 78, 79)), (False, (2, 8, 77))])
def test_a_model_that_reads_a_waveform_gets_one(axis: bool, shape: tuple[int, ...]) -> None:
    model = Speaker(axis)
    graph = trace_model(model, inputs=Guesses(infer(model)))
    assert graph.trace.complete
    norm = next(op for op in graph.ops if op.layer == "norm")
    assert norm.outputs == (shape,)
