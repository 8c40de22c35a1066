"""The signatures that are written down are torch's own."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from bnlint.layers.signatures import arguments_of_builtin, is_default, parameters_of

LAYERS = [cls for cls in vars(nn).values() if isinstance(cls, type) and issubclass(cls, nn.Module)]
KNOWN = [cls for cls in LAYERS if parameters_of(f"torch.nn.{cls.__name__}")]


@pytest.mark.parametrize("cls", KNOWN, ids=lambda cls: cls.__name__)
def test_constructors(cls: type[nn.Module]) -> None:
    written = parameters_of(f"torch.nn.{cls.__name__}")
    real = tuple(inspect.signature(cls.__init__).parameters)[1:]
    assert written == real[: len(written)]


@pytest.mark.parametrize("cls", KNOWN, ids=lambda cls: cls.__name__)
def test_defaults(cls: type[nn.Module]) -> None:
    dotted = f"torch.nn.{cls.__name__}"
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if is_default(dotted, name, parameter.default):
            continue
        for value in (True, False, 1e-5, 0.1):
            assert not is_default(dotted, name, value), f"{name} is {parameter.default}"


OPERATORS = (
    *("conv2d", "conv_transpose1d", "linear", "softmax", "clamp", "clip", "clamp_min", "cat"),
    *("stack", "flatten", "mean", "amax", "transpose", "chunk", "avg_pool2d"),
    "adaptive_avg_pool3d",
)


@pytest.mark.parametrize("name", OPERATORS)
def test_builtins(name: str) -> None:
    packet = getattr(torch.ops.aten, name)
    overloads = [getattr(packet, overload)._schema for overload in packet.overloads()]
    written = arguments_of_builtin(name)
    names = [
        tuple("input" if a.name == "self" else a.name for a in schema.arguments)[: len(written)]
        for schema in overloads
    ]
    assert written in names


def test_what_is_not_known_has_no_arguments() -> None:
    assert parameters_of("mylib.Conv2d") == ()
    assert arguments_of_builtin("cumsum") == ()
