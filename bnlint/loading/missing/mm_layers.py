"""Layers for a missing mmcv or mmengine: a convolution with its norm and activation, and bases.

Models of that family are made of them, so that none could be traced with stubs in their place. They
have the arguments, the names of layers and the defaults that its documentation gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from bnlint.loading.missing.unknown_layer import UnknownLayer

_Settings = Mapping[str, Any]

_NORMS: Mapping[str, tuple[str, Any]] = {
    "BN": ("bn", nn.BatchNorm2d),
    "BN1d": ("bn", nn.BatchNorm1d),
    "BN2d": ("bn", nn.BatchNorm2d),
    "BN3d": ("bn", nn.BatchNorm3d),
    "SyncBN": ("bn", nn.BatchNorm2d),
    "GN": ("gn", nn.GroupNorm),
    "LN": ("ln", nn.LayerNorm),
    "IN": ("in", nn.InstanceNorm2d),
    "IN1d": ("in", nn.InstanceNorm1d),
    "IN2d": ("in", nn.InstanceNorm2d),
    "IN3d": ("in", nn.InstanceNorm3d),
}
"""The norms by the type in their settings, each with the beginning of its name in a model."""

_ACTIVATIONS = {"HSwish": nn.Hardswish, "HSigmoid": nn.Hardsigmoid, "Swish": nn.SiLU}
_IN_PLACE = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.RReLU)
_OF_BUILDING = frozenset({"requires_grad", "type"})


class BaseModule(nn.Module):
    """A module that may hold settings of its initialization."""

    def __init__(self, init_cfg: Any = None) -> None:
        super().__init__()
        self.init_cfg, self.is_init = init_cfg, False

    def init_weights(self) -> None:
        """Leave the weights as the layers drew them."""
        self.is_init = True


class BaseSequential(BaseModule, nn.Sequential):
    """Layers in a row."""

    def __init__(self, *layers: Any, init_cfg: Any = None) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.Sequential.__init__(self, *layers)


class BaseModuleList(BaseModule, nn.ModuleList):
    """A list of layers."""

    def __init__(self, modules: Any = None, init_cfg: Any = None) -> None:
        BaseModule.__init__(self, init_cfg)
        nn.ModuleList.__init__(self, modules)


def build_conv_layer(cfg: _Settings | None, *args: Any, **kwargs: Any) -> nn.Module:
    """A convolution; those of two axes that are computed in another way have the same shapes."""
    settings = {"type": "Conv2d", **(cfg or {})}
    others: Mapping[str, Any] = {"Conv1d": nn.Conv1d, "Conv3d": nn.Conv3d}
    kind = others.get(settings["type"], nn.Conv2d)
    if "padding_mode" in settings:
        kwargs["padding_mode"] = settings["padding_mode"]
    layer: nn.Module = kind(*args, **kwargs)
    return layer


def build_norm_layer(
    cfg: _Settings, num_features: int, postfix: int | str = ""
) -> tuple[str, nn.Module]:
    """The name of a norm in its model, and the norm."""
    if cfg["type"] not in _NORMS:
        return f"{cfg['type'].lower()}{postfix}", UnknownLayer(cfg["type"])
    beginning, kind = _NORMS[cfg["type"]]
    settings = {"eps": 1e-5, **{k: v for k, v in cfg.items() if k not in _OF_BUILDING}}
    if kind is nn.GroupNorm:
        layer: nn.Module = kind(num_channels=num_features, **settings)
    else:
        layer = kind(num_features, **settings)
    for parameter in layer.parameters():
        parameter.requires_grad = cfg.get("requires_grad", True)
    return f"{beginning}{postfix}", layer


def build_activation_layer(cfg: _Settings) -> nn.Module:
    """An activation of torch by the type in its settings."""
    settings = dict(cfg)
    name = settings.pop("type")
    kind = _ACTIVATIONS.get(name) or getattr(nn, name, None)
    if kind is None:
        return UnknownLayer(name)
    if kind not in _IN_PLACE:
        settings.pop("inplace", None)
    layer: nn.Module = kind(**settings)
    return layer


class ConvModule(nn.Module):
    """A convolution, its norm and its activation, in the order that is asked for."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool | str = "auto",
        conv_cfg: _Settings | None = None,
        norm_cfg: _Settings | None = None,
        act_cfg: _Settings | None = {"type": "ReLU"},  # noqa: B006  # only read
        inplace: bool = True,
        with_spectral_norm: bool = False,
        padding_mode: str = "zeros",
        order: tuple[str, ...] = ("conv", "norm", "act"),
    ) -> None:
        super().__init__()
        self.order, self.norm_name = order, ""
        self.with_norm, self.with_activation = norm_cfg is not None, act_cfg is not None
        self.with_bias = not self.with_norm if bias == "auto" else bool(bias)
        self.conv = build_conv_layer(
            conv_cfg, in_channels, out_channels, kernel_size, stride=stride, padding=padding,
            dilation=dilation, groups=groups, bias=self.with_bias,
        )  # fmt: skip
        self.in_channels, self.out_channels = in_channels, out_channels
        if norm_cfg is not None:
            before = order.index("norm") < order.index("conv")
            width = in_channels if before else out_channels
            self.norm_name, norm = build_norm_layer(norm_cfg, width)
            self.add_module(self.norm_name, norm)
        if act_cfg is not None:
            self.activate = build_activation_layer({"inplace": inplace, **act_cfg})

    @property
    def norm(self) -> Any:
        """The norm; None where there is none."""
        return getattr(self, self.norm_name) if self.norm_name else None

    def forward(self, x: Tensor, activate: bool = True, norm: bool = True) -> Tensor:
        """The result of the layers that there are."""
        for step in self.order:
            if step == "conv":
                x = self.conv(x)
            elif step == "norm" and norm and self.with_norm:
                x = self.norm(x)
            elif step == "act" and activate and self.with_activation:
                x = self.activate(x)
        return x


class DepthwiseSeparableConvModule(nn.Module):
    """A convolution of each channel by itself, and one across them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        **settings: Any,
    ) -> None:
        super().__init__()
        dw, pw = _of_part("dw_", settings), _of_part("pw_", settings)
        size = kernel_size, stride, padding, dilation, in_channels
        self.depthwise_conv = ConvModule(in_channels, in_channels, *size, **dw)
        self.pointwise_conv = ConvModule(in_channels, out_channels, 1, **pw)

    def forward(self, x: Tensor) -> Tensor:
        """The result of both."""
        found: Tensor = self.pointwise_conv(self.depthwise_conv(x))
        return found


def _of_part(part: str, settings: _Settings) -> dict[str, Any]:
    """The settings of one of two convolutions; ``"default"`` means those of both."""
    shared = {k: v for k, v in settings.items() if not k.startswith(("dw_", "pw_"))}
    own = {k.removeprefix(part): v for k, v in settings.items() if k.startswith(part)}
    return shared | {k: v for k, v in own.items() if v != "default"}


def _pair(value: Any) -> tuple[int, int]:
    """A size given once or for both axes."""
    return (value, value) if isinstance(value, int) else tuple(value)


class _Filling(nn.Module):
    """Zeros after the last rows and columns, so that whole steps of a convolution cover a map."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        super().__init__()
        self.sizes = [*zip(*sizes, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """The map with what is missing."""
        more = [
            max((-(-n // step) - 1) * step + (size - 1) * dilation + 1 - n, 0)
            for n, (size, step, dilation) in zip(x.shape[-2:], self.sizes, strict=True)
        ]
        return nn.functional.pad(x, (0, more[1], 0, more[0]))


class PatchEmbed(BaseModule):
    """An image as a sequence of patches, with the number of rows and columns of them."""

    def __init__(
        self,
        in_channels: int = 3,
        embed_dims: int = 768,
        conv_type: str = "Conv2d",
        kernel_size: Any = 16,
        stride: Any = 16,
        padding: Any = "corner",
        dilation: Any = 1,
        bias: bool = True,
        norm_cfg: _Settings | None = None,
        input_size: Any = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg)
        size, step, filled = _pair(kernel_size), _pair(stride or kernel_size), padding
        self.embed_dims = embed_dims
        self.adaptive_padding: nn.Module | None = None
        if isinstance(padding, str):
            self.adaptive_padding, filled = _Filling(size, step, _pair(dilation)), 0
        self.projection = build_conv_layer(
            {"type": conv_type}, in_channels, embed_dims, size, stride=step, padding=filled,
            dilation=dilation, bias=bias,
        )  # fmt: skip
        self.norm = None if norm_cfg is None else build_norm_layer(norm_cfg, embed_dims)[1]
        self.init_input_size = self.init_out_size = None
        if input_size is not None:
            self.init_input_size = _pair(input_size)
            sizes = self.init_input_size, size, step, _pair(dilation), _pair(filled)
            self.init_out_size = tuple(
                -(-n // s) if isinstance(padding, str) else (n + 2 * p - d * (k - 1) - 1) // s + 1
                for n, k, s, d, p in zip(*sizes, strict=True)
            )

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The patches, and how many there are in a column and in a row."""
        maps = self.projection(x if self.adaptive_padding is None else self.adaptive_padding(x))
        patches = maps.flatten(2).transpose(1, 2)
        return patches if self.norm is None else self.norm(patches), (maps.shape[2], maps.shape[3])


_OFFERED: Mapping[str, Any] = {
    "BaseModule": BaseModule,
    "ModuleList": BaseModuleList,
    "Sequential": BaseSequential,
    "ConvModule": ConvModule,
    "PatchEmbed": PatchEmbed,
    "DepthwiseSeparableConvModule": DepthwiseSeparableConvModule,
    "build_activation_layer": build_activation_layer,
    "build_conv_layer": build_conv_layer,
    "build_norm_layer": build_norm_layer,
    **{name: getattr(nn, name) for name in ("Conv2d", "Conv3d", "Linear", "MaxPool2d")},
}

MM_LAYERS: Mapping[tuple[str, str], Any] = {
    (package, name): made for package in ("mmcv", "mmengine") for name, made in _OFFERED.items()
}
"""The layers by the package and the name."""
