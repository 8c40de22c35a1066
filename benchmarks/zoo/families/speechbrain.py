"""The lobes of speechbrain that hold norms, as their documentation calls them.

speechbrain imports torchaudio, for sound files and features, which its networks do not need; a
stand-in takes its place. BEATs is left out: it computes features with torchaudio in its forward.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch
from torch import nn

from .entry import Entry, Inputs
from .operators import define_torchvision_operators

LOBES = "speechbrain.lobes.models"


@dataclass(frozen=True, slots=True)
class Recipe:
    """A class by module and name, its arguments, and the shapes that its forward takes.

    A shape that is a number stands for that many lengths. An argument that is a dotted name of
    speechbrain stands for that class.
    """

    lobe: str
    arguments: dict[str, Any] = field(default_factory=dict)
    shapes: tuple[Any, ...] = ()


SOUND = (2, 120, 40)
CONFORMER = {"d_model": 64, "d_ffn": 128, "nhead": 4, "num_layers": 2}
MASKS = {"N": 16, "B": 16, "H": 32, "P": 3, "X": 3, "R": 2, "C": 2}
MAPS = [(2, 2048, 6, 2), (2, 1024, 6, 2), (2, 512, 12, 5)]
CNN14_MAPS = [(2, 2048, 6, 2), (2, 1024, 12, 5), (2, 512, 25, 10), (2, 256, 50, 20)]

RECIPES: dict[str, Recipe] = {
    "Branchformer": Recipe(
        "transformer.Branchformer.BranchformerEncoder",
        {"num_layers": 2, "d_model": 64, "nhead": 4, "csgu_linear_units": 128}
        | {"attention_type": "regularMHA"},
        ((2, 60, 64),),
    ),
    "CNN14PSI_stft": Recipe("L2I.CNN14PSI_stft", {"dim": 2048, "K": 20}, (CNN14_MAPS,)),
    "CNN14PSI_stft_2d": Recipe("L2I.CNN14PSI_stft_2d", {"dim": 2048, "K": 20}, (CNN14_MAPS,)),
    "CNN14PSI": Recipe("Cnn14.CNN14PSI", {"dim": 2048}, (CNN14_MAPS,)),
    "CRDNN": Recipe("CRDNN.CRDNN", {"input_shape": SOUND}, (SOUND,)),
    "CRDNN-LSTM": Recipe(
        "CRDNN.CRDNN",
        {"input_shape": SOUND, "rnn_class": "speechbrain.nnet.RNN.LSTM", "rnn_layers": 2},
        (SOUND,),
    ),
    "Cnn14": Recipe("Cnn14.Cnn14", {"mel_bins": 120, "emb_dim": 256}, ((2, 400, 120),)),
    "Cnn14-layernorm": Recipe(
        "Cnn14.Cnn14", {"mel_bins": 120, "emb_dim": 256, "norm_type": "ln"}, ((2, 400, 120),)
    ),
    "Conformer": Recipe(
        "transformer.Conformer.ConformerEncoder",
        CONFORMER | {"attention_type": "regularMHA"},
        ((2, 60, 64),),
    ),
    "ContextNet": Recipe("ContextNet.ContextNet", {"input_shape": SOUND}, (SOUND,)),
    "ConvTasNet": Recipe("conv_tasnet.MaskNet", MASKS, ((2, 16, 100),)),
    "ConvTasNet-batchnorm": Recipe(
        "conv_tasnet.MaskNet", MASKS | {"norm_type": "BN"}, ((2, 16, 100),)
    ),
    "ConvolutionFrontEnd": Recipe(
        "convolution.ConvolutionFrontEnd",
        {"input_shape": SOUND, "norm": "speechbrain.nnet.normalization.LayerNorm"},
        (SOUND,),
    ),
    "ECAPA_TDNN": Recipe("ECAPA_TDNN.ECAPA_TDNN", {"input_size": 40}, (SOUND,)),
    "ECAPA_TDNN-Classifier": Recipe(
        "ECAPA_TDNN.Classifier", {"input_size": 192, "lin_blocks": 2}, ((2, 1, 192),)
    ),
    "ESPnetVGG": Recipe("ESPnetVGG.ESPnetVGG", {"input_shape": SOUND, "rnn_layers": 1}, (SOUND,)),
    "EnhanceResnet": Recipe("EnhanceResnet.EnhanceResnet", {}, ((2, 16000),)),
    "FastSpeech2-PostNet": Recipe("FastSpeech2.PostNet", {}, ((2, 60, 80),)),
    "HifiganGenerator": Recipe(
        "HifiGAN.HifiganGenerator",
        {
            "in_channels": 80,
            "out_channels": 1,
            "resblock_type": "1",
            "resblock_dilation_sizes": [[1, 3, 5]],
            "resblock_kernel_sizes": [3],
            "upsample_kernel_sizes": [16, 16],
            "upsample_initial_channel": 64,
            "upsample_factors": [8, 8],
        },
        ((2, 80, 33),),
    ),
    "HifiganDiscriminator": Recipe("HifiGAN.HifiganDiscriminator", {}, ((2, 1, 8192),)),
    "MetricDiscriminator": Recipe("MetricGAN.MetricDiscriminator", {}, ((2, 2, 100, 257),)),
    "MetricDiscriminator-U": Recipe("MetricGAN_U.MetricDiscriminator", {}, ((2, 1, 100, 257),)),
    "PIQ-Encoder": Recipe("PIQ.Conv2dEncoder_v2", {}, ((2, 431, 513),)),
    "PIQ": Recipe("PIQ.VectorQuantizedPSI_Audio", {"dim": 256}, ((2, 256, 16, 16), (2,))),
    "Psi": Recipe("L2I.Psi", {"T": 120}, (MAPS,)),
    "PsiOptimized": Recipe(
        "L2I.PsiOptimized", {"dim": 256, "adapter_reduce_dim": False}, ((2, 256, 26, 32),)
    ),
    "ResNet": Recipe("ResNet.ResNet", {}, ((2, 400, 80),)),
    "ResNet-Classifier": Recipe(
        "ResNet.Classifier", {"input_size": 256, "lin_blocks": 2}, ((2, 1, 256),)
    ),
    "SEGAN-Discriminator": Recipe(
        "segan_model.Discriminator", {"kernel_size": 31}, ((2, 16384, 2),)
    ),
    "SEGAN-Generator": Recipe(
        "segan_model.Generator",
        {"kernel_size": 31, "latent_vae": False, "z_prob": False},
        ((2, 16384, 1),),
    ),
    "Sepformer": Recipe(
        "dual_path.SepformerWrapper", {"intra_numlayers": 1, "inter_numlayers": 1}, ((2, 4000),)
    ),
    "Tacotron2-Encoder": Recipe("Tacotron2.Encoder", {}, ((2, 512, 128), 2)),
    "Tacotron2-Postnet": Recipe("Tacotron2.Postnet", {}, ((2, 80, 60),)),
    "VanillaNN": Recipe("VanillaNN.VanillaNN", {"input_shape": SOUND}, (SOUND,)),
    "W2VLatentExtractor": Recipe("wav2vec.W2VLatentExtractor", {}, ((2, 16000),)),
    "Xvector": Recipe("Xvector.Xvector", {}, (SOUND,)),
    "Xvector-Classifier": Recipe(
        "Xvector.Classifier", {"input_shape": (2, 1, 512)}, ((2, 1, 512),)
    ),
    "Xvector-Discriminator": Recipe(
        "Xvector.Discriminator", {"input_shape": (2, 1, 512)}, ((2, 1, 512),)
    ),
}


def speechbrain_entries() -> Iterator[Entry]:
    """Every recipe, with a stand-in for torchaudio."""
    define_torchvision_operators()
    _stand_in_for_torchaudio()
    for name, recipe in RECIPES.items():
        yield Entry(name, lambda r=recipe: _build(r), _inputs(recipe))


def _build(recipe: Recipe) -> nn.Module:
    arguments = {
        key: _named(value) if str(value).startswith("speechbrain.") else value
        for key, value in recipe.arguments.items()
    }
    network: nn.Module = _named(f"{LOBES}.{recipe.lobe}")(**arguments)
    return network


def _named(dotted: str) -> Any:
    home, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(home), name)


def _inputs(recipe: Recipe) -> Callable[[nn.Module], Inputs]:
    return lambda model: (tuple(_empty(shape) for shape in recipe.shapes), {})


def _empty(shape: Any) -> Any:
    if isinstance(shape, list):
        return [_empty(one) for one in shape]
    if isinstance(shape, int):
        return torch.ones(shape, dtype=torch.long, device="meta")
    return torch.empty(shape, device="meta")


class _Absent(ModuleType):
    """A module of which every name is there and does nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__version__ = "2.9.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> list[Any]:
        return []


def _stand_in_for_torchaudio() -> None:
    for part in ("", ".transforms", ".functional", ".compliance", ".compliance.kaldi"):
        name = f"torchaudio{part}"
        if name not in sys.modules:
            sys.modules[name] = _Absent(name)
            sys.modules[name].__spec__ = ModuleSpec(name, None)
