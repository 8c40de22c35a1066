"""Healthy nets of well-known libraries, probed on noise with their initial weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from benchmarks.probe_verdicts.healthy import HEALTHY


def library(name: str, shape: str, make: Callable[[], nn.Module], **options: Any) -> None:
    """Registers a net of a library, probed on noise."""
    HEALTHY[name] = lambda: (make(), None, {"inputs": shape, "untrained": True, **options})


def _vision() -> None:
    import torchvision.models as tv

    few: dict[str, Any] = {"samples": 8, "num": 64}
    for name in (
        *("resnet18", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"),
        *("shufflenet_v2_x0_5", "mnasnet0_5", "squeezenet1_1", "googlenet", "vit_b_32"),
    ):
        size = 224 if name == "vit_b_32" else 96
        extra = {"init_weights": True, "aux_logits": False} if name == "googlenet" else {}
        build = getattr(tv, name)
        library(f"torchvision {name}", f"{few['samples']}x3x{size}x{size}",
                lambda build=build, extra=extra: build(**extra), samples=8)  # fmt: skip
    library(
        "torchvision deeplabv3_mobilenet",
        "4x3x96x96",
        lambda: tv.segmentation.deeplabv3_mobilenet_v3_large(weights_backbone=None),
        samples=4,
    )


def _timm() -> None:
    import timm

    for name in (
        *("gmlp_s16_224", "mixer_s32_224", "deit_tiny_patch16_224", "repvgg_a0", "ghostnet_100"),
        *("cait_xxs24_224", "xcit_nano_12_p16_224", "edgenext_xx_small"),
    ):
        size = 224 if "224" in name or name.startswith("levit") else 96
        library(
            f"timm {name}",
            f"4x3x{size}x{size}",
            lambda name=name: timm.create_model(name, pretrained=False),
            samples=4,
        )


def _transformers() -> None:
    import transformers as tf

    small_: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                              "intermediate_size": 128, "vocab_size": 200}  # fmt: skip
    ids = "16x12:int64"
    library("transformers bert", ids, lambda: tf.BertForMaskedLM(tf.BertConfig(**small_)),
            samples=16)  # fmt: skip
    library("transformers gpt2", ids, lambda: tf.GPT2LMHeadModel(
        tf.GPT2Config(vocab_size=200, n_embd=64, n_layer=2, n_head=4)), samples=16)  # fmt: skip
    library("transformers llama", ids, lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**small_)),
            samples=16)  # fmt: skip


def register() -> None:
    """Adds the nets of every library that is installed."""
    for libraries in (_vision, _timm, _transformers):
        try:
            libraries()
        except ImportError:  # without the zoo extra only the small ones
            continue
