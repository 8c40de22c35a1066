"""How to call the network classes of monai: small arguments, in 2D or 3D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .entry import Inputs

VOLUME = (2, 1, 64, 64, 64)
PLANE = (2, 1, 64, 64)
PHOTO = (2, 3, 64, 64)
FLAT: dict[str, Any] = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2}
DEEP: dict[str, Any] = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2}
LEVELS: dict[str, Any] = {"channels": (8, 16, 32), "strides": (2, 2, 2)}
DIFFUSION: dict[str, Any] = {
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 1,
    "channels": (32, 64, 64),
    "attention_levels": (False, True, True),
    "num_res_blocks": 1,
}
BLOCK: dict[str, Any] = {"num_res_blocks": 1, "channels": (32, 64, 64)}
PATCHES: dict[str, Any] = {"in_channels": 1, "img_size": (64, 64, 64), "patch_size": (16, 16, 16)}
BLOCKS = (
    "r1_k3_s11_e1_i32_o16_se0.25",
    "r2_k3_s22_e6_i16_o24_se0.25",
    "r2_k5_s22_e6_i24_o40_se0.25",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to call a class: its arguments, and the shapes of what its forward takes."""

    arguments: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = VOLUME
    inputs: Callable[[nn.Module], Inputs | None] | None = None


def _empty(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


def _words(count: int) -> torch.Tensor:
    return torch.zeros(2, count, dtype=torch.long, device="meta")


def _noisy(*more: torch.Tensor) -> Callable[[nn.Module], Inputs]:
    steps = torch.zeros(2, dtype=torch.long, device="meta")
    return lambda model: ((_empty(*PLANE), steps, *more), {})


RECIPES: dict[str, Recipe] = {
    "AHNet": Recipe({"in_channels": 1, "out_channels": 2, "psp_block_num": 3}, (2, 1, 64, 64, 64)),
    "AttentionUnet": Recipe(FLAT | LEVELS, PLANE),
    "AutoEncoder": Recipe(FLAT | LEVELS | {"num_res_units": 2, "inter_channels": [8, 8]}, PLANE),
    "AutoencoderKL": Recipe(
        {"spatial_dims": 2, "attention_levels": (False, False, True), **BLOCK}, PLANE
    ),
    "BasicUNet": Recipe(DEEP),
    "BasicUNetPlusPlus": Recipe(DEEP),
    "Classifier": Recipe({"in_shape": PLANE[1:], "classes": 2, **LEVELS}, PLANE),
    "ControlNet": Recipe(
        {k: v for k, v in DIFFUSION.items() if k != "out_channels"}
        | {"conditioning_embedding_in_channels": 1, "conditioning_embedding_num_channels": (16,)},
        inputs=_noisy(_empty(*PLANE)),
    ),
    "Critic": Recipe({"in_shape": PLANE[1:], **LEVELS}, PLANE),
    "DAF3D": Recipe({"in_channels": 1, "out_channels": 2}),
    "DecoderOnlyTransformer": Recipe(
        {
            "num_tokens": 10,
            "max_seq_len": 16,
            "attn_layers_dim": 8,
            "attn_layers_depth": 2,
            "attn_layers_heads": 2,
        },
        inputs=lambda model: ((_words(16),), {}),
    ),
    **{f"DenseNet{depth}": Recipe(DEEP) for depth in ("", 121, 169, 201, 264)},
    "DiNTS": Recipe({"in_channels": 1, "num_classes": 2}),
    "DiffusionModelUNet": Recipe(DIFFUSION, inputs=_noisy()),
    "Discriminator": Recipe({"in_shape": PLANE[1:], **LEVELS}, PLANE),
    "DynUNet": Recipe(
        DEEP
        | {
            "kernel_size": (3, 3, 3),
            "strides": (1, 2, 2),
            "upsample_kernel_size": (2, 2),
            "deep_supervision": True,
            "res_block": True,
        }
    ),
    "EfficientNet": Recipe({"blocks_args_str": list(BLOCKS)}, PHOTO),
    "EfficientNetBN": Recipe({"model_name": "efficientnet-b0", "pretrained": False}, PHOTO),
    "EfficientNetBNFeatures": Recipe({"model_name": "efficientnet-b0", "pretrained": False}, PHOTO),
    "EfficientNetEncoder": Recipe({"model_name": "efficientnet-b0", "pretrained": False}, PHOTO),
    "FlexibleUNet": Recipe(
        {"in_channels": 3, "out_channels": 2, "backbone": "efficientnet-b0"}, PHOTO
    ),
    "FullyConnectedNet": Recipe(
        {"in_channels": 8, "out_channels": 2, "hidden_channels": [16, 16]}, (4, 8)
    ),
    "Generator": Recipe(
        {"latent_shape": (16,), "start_shape": (8, 8, 8), "channels": (8, 1), "strides": (2, 2)},
        (2, 16),
    ),
    "GlobalNet": Recipe(
        {
            "image_size": [64, 64, 64],
            "spatial_dims": 3,
            "in_channels": 2,
            "num_channel_initial": 8,
            "depth": 3,
        },
        (2, 2, 64, 64, 64),
    ),
    "HighResBlock": Recipe({"spatial_dims": 3, "in_channels": 1, "out_channels": 8}),
    "HighResNet": Recipe(DEEP),
    "HoVerNet": Recipe({"out_classes": 5}, (2, 3, 256, 256)),
    "HyenaNDUNETR": Recipe(
        {"in_channels": 1, "out_channels": 2, "hyena_stages": (True, False, False, False)}
        | {"feature_size": 12}
    ),
    "LocalNet": Recipe(
        {"spatial_dims": 3, "in_channels": 2, "num_channel_initial": 8, "extract_levels": (0, 3)},
        (2, 2, 64, 64, 64),
    ),
    "MILModel": Recipe({"num_classes": 2, "pretrained": False}, (2, 4, 3, 64, 64)),
    "MaskedAutoEncoderViT": Recipe(PATCHES),
    "MedNeXt": Recipe({"in_channels": 1}),
    "MultiScalePatchDiscriminator": Recipe(
        {"num_d": 2, "num_layers_d": 3, "spatial_dims": 2, "channels": 8, "in_channels": 1}
        | {"minimum_size_im": 128},
        (2, 1, 128, 128),
    ),
    "NaViT": Recipe(
        {"image_size": 64, "patch_size": 16, "num_classes": 2, "hidden_size": 48, "mlp_dim": 96}
        | {"num_layers": 2, "num_heads": 4},
        inputs=lambda model: (([[_empty(1, 64, 64, 64)], [_empty(1, 32, 64, 64)]],), {}),
    ),
    "PatchDiscriminator": Recipe(
        {"spatial_dims": 2, "channels": 8, "in_channels": 1, "num_layers_d": 3}, (2, 1, 128, 128)
    ),
    "Quicknat": Recipe({"num_classes": 4}, PLANE),
    "RegUNet": Recipe(
        {"spatial_dims": 3, "in_channels": 2, "num_channel_initial": 8, "depth": 3},
        (2, 2, 64, 64, 64),
    ),
    "Regressor": Recipe({"in_shape": PLANE[1:], "out_shape": (2,), **LEVELS}, PLANE),
    "ResNet": Recipe(
        {"block": "basic", "layers": [1, 1, 1, 1], "block_inplanes": [8, 16, 32, 64]}
        | {"n_input_channels": 1}
    ),
    "ResNetBlock": Recipe({"in_planes": 8, "planes": 8}, (2, 8, 16, 16, 16)),
    "ResNetBottleneck": Recipe({"in_planes": 32, "planes": 8}, (2, 32, 16, 16, 16)),
    "ResNetEncoder": Recipe({"model_name": "resnet18", "pretrained": False}),
    "ResNetFeatures": Recipe({"model_name": "resnet18", "pretrained": False}),
    "SENet": Recipe(
        {"spatial_dims": 2, "in_channels": 1, "block": "se_bottleneck", "layers": (1, 1, 1, 1)}
        | {"groups": 1, "reduction": 16},
        PLANE,
    ),
    **{
        f"SE{name}": Recipe({"spatial_dims": 2, "in_channels": 3, "num_classes": 2}, PHOTO)
        for name in ("Net154", "ResNet50", "ResNet101", "ResNet152", "ResNext50", "ResNext101")
    },
    "SPADEAutoencoderKL": Recipe(
        {"spatial_dims": 2, "label_nc": 3, "attention_levels": (False, False, True), **BLOCK},
        inputs=lambda model: ((_empty(*PLANE), _empty(2, 3, 64, 64)), {}),
    ),
    "SPADEDiffusionModelUNet": Recipe(
        DIFFUSION | {"label_nc": 3}, inputs=_noisy(_empty(2, 3, 64, 64))
    ),
    "SPADENet": Recipe(
        FLAT | {"label_nc": 3, "input_shape": [64, 64], "channels": [16, 8, 4], "z_dim": 16},
        inputs=lambda model: ((_empty(2, 3, 64, 64), _empty(*PLANE)), {}),
    ),
    "SegResNetVAE": Recipe({"input_image_size": [64, 64, 64]}),
    "SwinUNETR": Recipe({"in_channels": 1, "out_channels": 2}),
    "TorchVisionFCModel": Recipe({}, (2, 3, 224, 224)),
    "Transchex": Recipe(
        {"in_channels": 3, "img_size": (64, 64), "patch_size": (16, 16), "num_classes": 2}
        | {"num_language_layers": 1, "num_vision_layers": 1, "num_mixed_layers": 1},
        inputs=lambda model: ((_words(16),), {"vision_feats": _empty(2, 3, 64, 64)}),
    ),
    "UNETR": Recipe({"in_channels": 1, "out_channels": 2, "img_size": (64, 64, 64)}),
    "UNet": Recipe(DEEP | {"channels": (8, 16, 32), "strides": (2, 2), "num_res_units": 2}),
    "VNet": Recipe(DEEP),
    "VQVAE": Recipe(FLAT, PLANE),
    "VarAutoEncoder": Recipe(
        {"spatial_dims": 2, "in_shape": PLANE[1:], "out_channels": 1, "latent_size": 8, **LEVELS},
        PLANE,
    ),
    "VarFullyConnectedNet": Recipe(
        {"in_channels": 8, "out_channels": 8, "latent_size": 2}
        | {"encode_channels": [16], "decode_channels": [16]},
        (4, 8),
    ),
    "ViT": Recipe(PATCHES | {"classification": True}),
    "ViTAutoEnc": Recipe(PATCHES),
    "vista3d132": Recipe(
        inputs=lambda model: ((_empty(1, 1, 64, 64, 64),), {"class_vector": _words(1)})
    ),
    "VoxelMorph": Recipe(inputs=lambda model: ((_empty(*VOLUME), _empty(*VOLUME)), {})),
    "VoxelMorphUNet": Recipe(
        {"spatial_dims": 3, "in_channels": 2, "unet_out_channels": 8}
        | {"channels": (8, 16, 16, 16), "final_conv_channels": (8, 8)},
        (2, 2, 64, 64, 64),
    ),
}
"""Classes that are not here are built with their defaults."""
