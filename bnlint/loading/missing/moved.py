"""Where installed libraries keep today what code for older releases imports from elsewhere."""

from __future__ import annotations

import collections.abc
import importlib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from bnlint.loading.missing.operators import without_operator

_HOMES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"transformers\.(?P<kind>modeling|configuration|tokenization)_(?P<model>\w+)"),
        (r"transformers.models.\g<model>.\g<kind>_\g<model>", r"transformers.\g<kind>_utils"),
    ),
    (
        re.compile(r"(pytorch_transformers|pytorch_pretrained_bert|transformers)(\..*)?"),
        (
            "transformers",
            "transformers.models.bert.modeling_bert",
            "transformers.activations",
            "transformers.optimization",
        ),
    ),
    (re.compile(r"timm\.models(\..*)?"), ("timm.layers", "timm.models", "timm.models._builder")),
    (re.compile(r"torchvision\.models\.utils"), ("torch.hub",)),
    (re.compile(r"lightning(\.pytorch)?(?P<rest>(\.\w+)*)"), (r"pytorch_lightning\g<rest>",)),
    (re.compile(r"pytorch_lightning(?P<rest>(\.\w+)*)"), (r"lightning.pytorch\g<rest>",)),
)
"""Modules of older releases and other names of a package, with those that have their names now."""

_NAMES: Mapping[tuple[str, str], Any] = {
    ("torch._six", "container_abcs"): collections.abc,
    ("torch._six", "string_classes"): (str, bytes),
    ("torch._six", "int_classes"): int,
    ("torch._six", "inf"): math.inf,
    ("torch._six", "nan"): math.nan,
    ("transformers.modeling_bert", "BertLayerNorm"): nn.LayerNorm,
    ("pytorch_pretrained_bert.modeling", "BertLayerNorm"): nn.LayerNorm,
}
"""The objects of names that no library has any more."""


def moved(path: str, name: str) -> Any:
    """The object that a name of a removed module refers to; None if no installed library has it.

    Raises what an import does for want of an operator, which can be defined.
    """
    if (known := _NAMES.get((path, name))) is not None:
        return known
    for home in _homes(path):
        try:
            return getattr(importlib.import_module(home), name)
        except Exception as error:  # the library is not installed, or fails itself
            if without_operator(error) is not None:
                raise
    return None


def _homes(path: str) -> Iterator[str]:
    for pattern, homes in _HOMES:
        if found := pattern.fullmatch(path):
            yield from (home for home in map(found.expand, homes) if home != path)
