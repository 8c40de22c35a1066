"""What a layer says about itself, read from its attributes.

Fact names are the contract with the rules; a fact that can't be read is left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bnlint.domain.graph import Value
from bnlint.layers.table import Kind, Table, axes_of, dotted_names, having, rank_of

if TYPE_CHECKING:
    from torch import nn

Facts = dict[str, Value]


class Layers:
    """What the layers of one model say about themselves; each is read once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._facts: dict[int, tuple[nn.Module, Facts]] = {}
        self._names: dict[type, tuple[str, ...]] = {}

    def facts(self, module: nn.Module, kind: Kind) -> Facts:
        """The facts of a classified layer, read from its attributes."""
        if id(module) not in self._facts:
            self._facts[id(module)] = (module, module_facts(module, kind, self.table))
        return self._facts[id(module)][1]

    def names(self, module: nn.Module) -> tuple[str, ...]:
        """The dotted class names of a module along its MRO."""
        cls = type(module)
        if cls not in self._names:
            self._names[cls] = dotted_names(module)
        return self._names[cls]


def module_facts(module: nn.Module, kind: Kind, table: Table) -> Facts:
    """The facts of a classified layer, read from its attributes."""
    facts: Facts = {}
    if "kernel" in kind.tags:
        facts.update(_kernel(module, kind))
    if "norm" in kind.tags:
        facts.update(_norm(module, kind, table))
    if "activation" in kind.tags:
        facts["saturating"] = "saturating" in kind.tags
    if kind.tags & having("facts", "p"):
        facts.update(_named(module, p=("p", "drop_prob")))
    facts.update(_named(module, inplace=("inplace",)))
    if "pooling" in kind.tags:
        size = attribute(module, "output_size")
        facts.update({} if size is None else {"global": is_one(size)})
        facts.update(pool_padding(vars(module)))
    if kind.tags & having("facts", "dim"):
        facts.update(_named(module, dim=("dim",)))
    if kind.tags & having("facts", "start-dim"):
        facts.update(_named(module, **{"start-dim": ("start_dim",), "end-dim": ("end_dim",)}))
    if kind.name in ("recurrent", "attention"):
        facts.update(_batch_first(module))
    if kind.name == "embedding":
        facts.update(_named(module, **{"out-channels": ("embedding_dim",)}))
    return facts


def _batch_first(module: nn.Module) -> Facts:
    """Whether axis 0 is the batch and not the sequence, as the layer or its parts are built."""
    said = (attribute(part, "batch_first") for part in module.modules())
    found = next((value for value in said if isinstance(value, bool)), None)
    return {} if found is None else {"batch-first": found}


def trainable(module: nn.Module) -> bool:
    """True when at least one parameter of the module takes gradients."""
    return any(p.requires_grad for p in parameters_of(module))


def parameters_of(module: nn.Module) -> Iterator[nn.Parameter]:
    """All parameters of a module; a layer without layers of its own, as most are, is not walked."""
    if module._modules:
        return module.parameters()
    return (p for p in module._parameters.values() if p is not None)


def attribute(module: nn.Module, name: str) -> Any:
    """The attribute, or None without the costly error that asking for a missing one raises."""
    kind: Any = type(module)
    shared = _class_attributes(kind)
    if shared is None or name in shared or name in vars(module):
        return getattr(module, name, None)
    for states in (module._parameters, module._buffers, module._modules):
        if name in states:
            return states[name]
    return None


@lru_cache(maxsize=1024)
def _class_attributes(cls: type[nn.Module]) -> frozenset[str] | None:
    """The names of a class's attributes; None where it looks up attributes in its own way."""
    from torch import nn

    if cls.__getattr__ is not nn.Module.__getattr__:
        return None
    return frozenset().union(*map(vars, cls.__mro__))


def _named(module: nn.Module, **names: tuple[str, ...]) -> Facts:
    """Facts read from the first attribute that exists with a plain value."""
    facts: Facts = {}
    for fact, attributes in names.items():
        for name in attributes:
            value = attribute(module, name)
            if isinstance(value, (bool, int, float, str)):
                facts[fact] = value
                break
    return facts


_CHANNELS: dict[str, tuple[str, ...]] = {
    "in-channels": ("in_channels", "in_features", "in1_features", "nx"),
    "out-channels": ("out_channels", "out_features", "nf"),
}


def _kernel(module: nn.Module, kind: Kind) -> Facts:
    weight = _parameter(module, "weight")
    lazy = _is_lazy(weight)
    facts: Facts = {"lazy": lazy, "transposed": "transposed" in kind.tags}
    facts.update(_named(module, **_CHANNELS))
    if lazy:
        facts.pop("in-channels", None)
    if weight is not None and not any("weight" in s for s in (module._parameters, module._buffers)):
        facts["parametrized"] = True  # computed at each call, as by weight norm, old or new
    bias = attribute(module, "bias")
    facts["bias"] = bias is not None and not (isinstance(bias, bool) and not bias)
    if "conv" in kind.tags:
        facts.update(_conv(module, facts))
    else:
        facts.update(groups=1, depthwise=False, pointwise=True)
    return facts


def _conv(module: nn.Module, facts: Facts) -> Facts:
    found: Facts = {}
    for name in ("kernel_size", "stride", "padding", "dilation"):
        value = attribute(module, name)
        if isinstance(value, (int, str)):
            found[name.replace("_", "-")] = value
        elif isinstance(value, tuple):
            found[name.replace("_", "-")] = tuple(map(_plain, value))
    groups = getattr(module, "groups", 1)
    found["groups"] = groups = groups if isinstance(groups, int) else 1
    found["pointwise"] = is_one(found.get("kernel-size"))
    found["depthwise"] = groups != 1 and groups == facts.get("in-channels")
    return found


def is_one(size: Any) -> bool:
    """True for a size of 1 along every axis."""
    return all(s == 1 for s in (size if isinstance(size, (tuple, list)) else (size,)))


def _norm(module: nn.Module, kind: Kind, table: Table) -> Facts:
    weight = _parameter(module, "weight")
    facts: Facts = {"frozen": "frozen" in kind.tags, "affine": weight is not None}
    affine = attribute(module, "affine")
    if affine is None:
        affine = attribute(module, "elementwise_affine")
    if isinstance(affine, bool) and "frozen" not in kind.tags:
        facts["affine"] = affine
    facts.update(_norm_channels(module, weight))
    facts.update(_named(module, eps=("eps",)))
    if "batchnorm" in kind.tags or kind.name == "instancenorm":
        momentum = attribute(module, "momentum")
        facts["momentum"] = momentum if isinstance(momentum, (int, float)) else None
        facts.update(_named(module, tracks=("track_running_stats",)))
    rank = rank_of(kind.tags) or (axes_of(module) if kind.name == "instancenorm" else 0)
    if rank:
        facts["rank"] = rank
    if kind.name == "groupnorm":
        facts.update(_named(module, groups=("num_groups",)))
    facts.update(_fused(module, table))
    return facts


def _norm_channels(module: nn.Module, weight: Any) -> Facts:
    if _is_lazy(weight):
        return {"lazy": True}
    shape = attribute(module, "normalized_shape")
    if isinstance(shape, tuple) and shape:
        return {"channels": _plain(shape[-1]), "normalized-shape": tuple(map(_plain, shape))}
    found = _named(module, channels=("num_features", "num_channels"))
    if not found and weight is not None and weight.ndim == 1:
        found = {"channels": weight.shape[0]}
    if found.get("channels") == 0:
        return {"lazy": True}
    return found


def _fused(module: nn.Module, table: Table) -> Facts:
    """The activation that a norm layer applies itself, as those of model libraries do."""
    for child in module._modules.values():
        kind = table.of_module(child) if child is not None else None
        if kind is not None and "activation" in kind.tags:
            return {"activation": kind.name}
    found = attribute(module, "activation")
    if isinstance(found, str) and found not in ("identity", "none", "linear", ""):
        return {"activation": found}
    return {}


def pool_padding(settings: Mapping[str, Any]) -> Facts:
    """The zeros that an average pool counts in; nothing for pools that leave their padding out."""
    padding = settings.get("padding", 0) if settings.get("count_include_pad", True) else 0
    if isinstance(padding, (tuple, list)):
        return {"padding": tuple(map(_plain, padding))}
    return {"padding": padding} if isinstance(padding, int) else {}


def _parameter(module: nn.Module, name: str) -> Any:
    """A parameter or buffer of any kind; None where it is missing or not a tensor."""
    import torch

    value = attribute(module, name)
    return value if isinstance(value, torch.Tensor) else None


def _is_lazy(weight: Any) -> bool:
    import torch

    return bool(torch.nn.parameter.is_lazy(weight))


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else int(value)
