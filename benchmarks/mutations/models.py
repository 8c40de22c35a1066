"""Good models to mutate: one or more of every family of torchvision and timm with batch norms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..zoo.families import Entry, timm_entries, torchvision_entries

TORCHVISION = (
    "resnet18 resnet50 resnext50_32x4d wide_resnet50_2 densenet121 mobilenet_v2 mobilenet_v3_small "
    "mobilenet_v3_large efficientnet_b0 efficientnet_v2_s regnet_x_400mf regnet_y_400mf "
    "inception_v3 googlenet shufflenet_v2_x0_5 shufflenet_v2_x1_0 mnasnet0_5 vgg11_bn r2plus1d_18 "
    "mc3_18 deeplabv3_resnet50 lraspp_mobilenet_v3_large"
)
TIMM = (
    "resnet26d resnetv2_50d_gn seresnet18 cspresnet50 cspdarknet53 dla34 dpn68 ese_vovnet19b_dw "
    "ghostnet_100 hardcorenas_a hrnet_w18_small inception_v4 inception_resnet_v2 lcnet_050 "
    "mixnet_s mobilenetv4_conv_small nf_regnet_b0 regnety_002 repvgg_a0 res2net50_14w_8s "
    "resnest14d rexnet_100 selecsls42 semnasnet_075 skresnet18 spnasnet_100 tf_efficientnet_b0 "
    "tinynet_a tresnet_m xception41 fbnetc_100 gernet_s levit_128s efficientvit_b0 "
    "mobileone_s0 dm_nfnet_f0 visformer_tiny efficientformer_l1 edgenext_small convmixer_768_32"
)


NAMES = (*TORCHVISION.split(), *TIMM.split())


def entries(names: Iterable[str]) -> Iterator[Entry]:
    """How to build each of the models named, of those that the installed libraries have."""
    known = {entry.name: entry for entry in (*timm_entries(), *torchvision_entries())}
    return (known[name] for name in names if name in known)
