"""Every network class of monai.networks.nets."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from torch import nn

from .entry import Entry, image
from .monai_recipes import RECIPES, Recipe
from .operators import define_torchvision_operators

PARTS = frozenset(
    {
        "BertAttention",
        "BertMixedLayer",
        "BertOutput",
        "BertPreTrainedModel",
        "MultiModal",
        "NetAdapter",
        "PatchMerging",
        "PatchMergingV2",
        "Pooler",
        "TopologyConstruction",
        "TopologyInstance",
        "TopologySearch",
        "VISTA3D",
    }
)
"""Parts of networks, and wrappers of one: they are seen inside the networks."""


def monai_entries() -> Iterator[Entry]:
    """Every network class of monai.networks.nets, VISTA3D as its factory builds it, and DiNTS."""
    define_torchvision_operators()
    nets = importlib.import_module("monai.networks.nets")
    classes = {c.__name__: c for c in vars(nets).values() if _is_network(c)}
    for name in sorted(classes.keys() - PARTS):
        recipe = RECIPES.get(name, Recipe())
        build = BUILDERS.get(name, classes[name])
        yield _entry(name, build, recipe, nets)
    yield _entry("vista3d132", nets.vista3d132, RECIPES["vista3d132"], nets)


def _is_network(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, nn.Module)


def _entry(name: str, build: Any, recipe: Recipe, nets: ModuleType) -> Entry:
    arguments = dict(recipe.arguments, **({"nets": nets} if name in BUILDERS else {}))
    return Entry(name, lambda: build(**arguments), recipe.inputs or image(*recipe.shape))


def _dints(nets: ModuleType, **arguments: Any) -> nn.Module:
    """DiNTS with the topology that its search starts from."""
    space = nets.TopologySearch(num_blocks=4, num_depths=3)
    network: nn.Module = nets.DiNTS(dints_space=space, **arguments)
    return network


def _transchex(nets: ModuleType, **arguments: Any) -> nn.Module:
    raise RuntimeError("loads trained weights while it is built")


BUILDERS = {"DiNTS": _dints, "Transchex": _transchex}
"""How to build what is more than its class called."""
