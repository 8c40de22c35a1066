"""Transforms of audio for a missing torchaudio: what turns a waveform into the maps a model takes.

They have the arguments, buffers and shapes of torchaudio's, and compute what its documentation
says: a model whose first layer is a stub could not be traced at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_LEAST = 1e-10
"""The power below which nothing gets quieter in decibels."""


class Spectrogram(nn.Module):
    """The power of each frequency in each frame, (..., time) to (..., n_fft // 2 + 1, frames)."""

    window: Tensor

    def __init__(
        self,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        pad: int = 0,
        window_fn: Callable[..., Tensor] = torch.hann_window,
        power: float | None = 2.0,
        normalized: bool | str = False,
        wkwargs: Mapping[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool = True,
        return_complex: bool | None = None,
    ) -> None:
        super().__init__()
        self.n_fft, self.pad, self.power = n_fft, pad, power
        self.win_length = win_length or n_fft
        self.hop_length = hop_length or self.win_length // 2
        self.normalized, self.center = bool(normalized), center
        self.pad_mode, self.onesided = pad_mode, onesided
        self.register_buffer("window", window_fn(self.win_length, **(wkwargs or {})))

    def forward(self, waveform: Tensor) -> Tensor:
        """The spectrogram, complex if no power is asked for."""
        if self.pad:
            waveform = nn.functional.pad(waveform, (self.pad, self.pad))
        found = torch.stft(
            waveform.reshape(-1, waveform.shape[-1]), self.n_fft, self.hop_length, self.win_length,
            self.window, self.center, self.pad_mode, self.normalized, self.onesided,
            return_complex=True,
        )  # fmt: skip
        found = found.reshape(waveform.shape[:-1] + found.shape[-2:])
        return found if self.power is None else found.abs().pow(self.power)


class MelScale(nn.Module):
    """Frequencies gathered by overlapping triangles that are even in mel."""

    fb: Tensor

    def __init__(
        self,
        n_mels: int = 128,
        sample_rate: int = 16000,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_stft: int = 201,
        norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:
        super().__init__()
        self.n_mels, self.sample_rate = n_mels, sample_rate
        top = f_max or sample_rate / 2
        low, high = (2595 * math.log10(1 + f / 700) for f in (f_min, top))
        corners = 700 * (10 ** (torch.linspace(low, high, n_mels + 2) / 2595) - 1)
        self.register_buffer("fb", _triangles(corners, n_stft, sample_rate))

    def forward(self, specgram: Tensor) -> Tensor:
        """The power in each band."""
        return (specgram.transpose(-1, -2) @ self.fb).transpose(-1, -2)


class MelSpectrogram(nn.Module):
    """A spectrogram on the mel scale, (..., time) to (..., n_mels, frames)."""

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        pad: int = 0,
        n_mels: int = 128,
        window_fn: Callable[..., Tensor] = torch.hann_window,
        power: float = 2.0,
        normalized: bool = False,
        wkwargs: Mapping[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool | None = None,
        norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_fft, self.n_mels = sample_rate, n_fft, n_mels
        self.spectrogram = Spectrogram(
            n_fft, win_length, hop_length, pad, window_fn, power, normalized, wkwargs, center,
            pad_mode,
        )  # fmt: skip
        self.win_length = self.spectrogram.win_length
        self.hop_length = self.spectrogram.hop_length
        bands = n_fft // 2 + 1
        self.mel_scale = MelScale(n_mels, sample_rate, f_min, f_max, bands, norm, mel_scale)

    def forward(self, waveform: Tensor) -> Tensor:
        """The mel spectrogram."""
        found: Tensor = self.mel_scale(self.spectrogram(waveform))
        return found


class AmplitudeToDB(nn.Module):
    """Power or amplitude in decibels."""

    def __init__(self, stype: str = "power", top_db: float | None = None) -> None:
        super().__init__()
        self.stype, self.top_db = stype, top_db
        self.multiplier = 10.0 if stype == "power" else 20.0

    def forward(self, x: Tensor) -> Tensor:
        """The decibels."""
        return self.multiplier * torch.log10(torch.clamp(x, min=_LEAST))


class MFCC(nn.Module):
    """Cepstral coefficients of a mel spectrogram, (..., time) to (..., n_mfcc, frames)."""

    def __init__(
        self,
        sample_rate: int = 16000,
        n_mfcc: int = 40,
        dct_type: int = 2,
        norm: str | None = "ortho",
        log_mels: bool = False,
        melkwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_mfcc = sample_rate, n_mfcc
        self.MelSpectrogram = MelSpectrogram(sample_rate, **(melkwargs or {}))
        self.amplitude_to_DB = AmplitudeToDB("power", 80.0)
        self.register_buffer("dct_mat", _cosines(n_mfcc, self.MelSpectrogram.n_mels))

    def forward(self, waveform: Tensor) -> Tensor:
        """The coefficients."""
        bands = self.amplitude_to_DB(self.MelSpectrogram(waveform))
        found: Tensor = (bands.transpose(-1, -2) @ self.dct_mat).transpose(-1, -2)
        return found


class LFCC(nn.Module):
    """Cepstral coefficients of bands that are even in hertz."""

    def __init__(
        self,
        sample_rate: int = 16000,
        n_filter: int = 128,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_lfcc: int = 40,
        dct_type: int = 2,
        norm: str | None = "ortho",
        log_lf: bool = False,
        speckwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.sample_rate, self.n_filter, self.n_lfcc = sample_rate, n_filter, n_lfcc
        self.Spectrogram = Spectrogram(**(speckwargs or {}))
        self.amplitude_to_DB = AmplitudeToDB("power", 80.0)
        corners = torch.linspace(f_min, f_max or sample_rate / 2, n_filter + 2)
        bands = self.Spectrogram.n_fft // 2 + 1
        self.register_buffer("filter_mat", _triangles(corners, bands, sample_rate))
        self.register_buffer("dct_mat", _cosines(n_lfcc, n_filter))

    def forward(self, waveform: Tensor) -> Tensor:
        """The coefficients."""
        power = self.Spectrogram(waveform).transpose(-1, -2) @ self.filter_mat
        found: Tensor = (self.amplitude_to_DB(power) @ self.dct_mat).transpose(-1, -2)
        return found


class Resample(nn.Module):
    """A waveform at another rate: (..., time) to (..., time * new_freq / orig_freq)."""

    def __init__(self, orig_freq: int = 16000, new_freq: int = 16000, *_: Any, **__: Any) -> None:
        super().__init__()
        self.orig_freq, self.new_freq = orig_freq, new_freq

    def forward(self, waveform: Tensor) -> Tensor:
        """The waveform, of which the nearest samples are kept."""
        if self.orig_freq == self.new_freq:
            return waveform
        size = -(-waveform.shape[-1] * self.new_freq // self.orig_freq)
        flat = waveform.reshape(1, -1, waveform.shape[-1])
        resampled = nn.functional.interpolate(flat, size=size)
        return resampled.reshape(waveform.shape[:-1] + resampled.shape[-1:])


class FrequencyMasking(nn.Module):
    """A spectrogram without some frequencies."""

    def __init__(self, freq_mask_param: int, *_: Any, **__: Any) -> None:
        super().__init__()
        self.mask_param = freq_mask_param

    def forward(self, specgram: Tensor, mask_value: float = 0.0) -> Tensor:
        """The spectrogram with random rows masked."""
        drawn = torch.rand_like(specgram[..., :1]) * specgram.shape[-2]
        return specgram.masked_fill(drawn < self.mask_param / 2, mask_value)


class TimeMasking(nn.Module):
    """A spectrogram without some frames."""

    def __init__(self, time_mask_param: int, *_: Any, **__: Any) -> None:
        super().__init__()
        self.mask_param = time_mask_param

    def forward(self, specgram: Tensor, mask_value: float = 0.0) -> Tensor:
        """The spectrogram with random columns masked."""
        drawn = torch.rand_like(specgram[..., :1, :]) * specgram.shape[-1]
        return specgram.masked_fill(drawn < self.mask_param / 2, mask_value)


def _triangles(corners: Tensor, bins: int, sample_rate: int) -> Tensor:
    """A column for each band, which rises from one corner to the next and falls to the third."""
    place = torch.linspace(0, sample_rate // 2, bins).unsqueeze(1)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (place - left) / (middle - left), (right - place) / (right - middle)
    return torch.minimum(rising, falling).clamp(min=0)


def _cosines(found: int, given: int) -> Tensor:
    """The orthonormal cosine transform that keeps the first coefficients."""
    place = math.pi / given * (torch.arange(given).unsqueeze(1) + 0.5) * torch.arange(found)
    scale = torch.full((found,), math.sqrt(2 / given))
    scale[0] = math.sqrt(1 / given)
    return torch.cos(place) * scale


_KINDS: tuple[type[nn.Module], ...] = (
    *(Spectrogram, MelScale, MelSpectrogram, AmplitudeToDB, MFCC, LFCC, Resample),
    *(FrequencyMasking, TimeMasking),
)
for _kind in _KINDS:
    _kind.__module__ = "torchaudio.transforms"  # reports name what the file names

TRANSFORMS: Mapping[tuple[str, str], Any] = {("torchaudio", k.__name__): k for k in _KINDS}
"""The transforms by the package and the name."""
