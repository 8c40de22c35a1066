"""Inputs made up from a model's first layers: their rank, their channels, likely sizes.

Batches hold two samples: a batch norm in train mode refuses one value per channel.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Shape
from bnlint.loading.source import Source
from bnlint.models.guessing.candidate import Candidate
from bnlint.models.guessing.stated import Stated, stated

_BATCH, _LENGTH, _WIDTH = 2, 16, 64
_LIMIT = 12
_SIZES = {
    1: ((128,), (1024,), (32,), (16000,), (100,)),
    2: tuple((s, s) for s in (224, 32, 64, 28, 128, 256, 96, 299, 512, 48, 84, 16)),
    3: ((16, 112, 112), (32, 32, 32), (64, 64, 64), (8, 64, 64), (96, 96, 96)),
}
_SMALL = {1: ((1,), (16,)), 2: ((1, 1), (4, 4), (8, 8), (32, 32)), 3: ((1, 1, 1), (4, 4, 4))}
_RANKS = (
    ((nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d, nn.InstanceNorm1d), 1),
    ((nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d), 2),
    ((nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d, nn.InstanceNorm3d), 3),
)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.modules.batchnorm._NormBase,)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_ENTRIES = (
    nn.modules.conv._ConvNd,
    nn.Linear,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.MultiheadAttention,
    nn.Bilinear,
    *_RECURRENT,
    *_NORMS,
)
_TIMES = re.compile(r"t|ts|time|times|timestep|timesteps|step|steps|sigma|noise_level")

Spec = tuple[Shape, torch.dtype]


def infer(model: nn.Module, source: Source | None = None) -> tuple[Candidate, ...]:
    """Calls that may suit the model, likeliest first; empty when its layers say nothing."""
    if (own := _of_transformers(model)) is not None:
        return own
    names = required_inputs(model)
    if not names:
        return ()
    readers = _readers(type(model), source)
    options = [_options(model, name, readers.get(name, ())) for name in names]
    if not any(options):
        return ()
    shared = next(o for o in options if o)
    filled = [o or shared for o in options]
    count = max(map(len, filled))
    calls = (tuple(o[min(i, len(o) - 1)] for o in filled) for i in range(count))
    return tuple(islice((Candidate(tuple(map(_empty, call))) for call in calls), _LIMIT))


def required_inputs(model: nn.Module) -> list[str]:
    """The names of the inputs that a call must give; the first one where all are optional."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return ["x"]
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in plain if p.default is p.empty]
    if needed:
        return needed
    return [p.name for p in plain[:1]] or (["x"] if parameters else [])


def _options(model: nn.Module, name: str, readers: tuple[str, ...]) -> list[Spec]:
    """What one input may look like: by the layers that read it, else by the model's first."""
    told = stated(model)
    for reader in readers:
        module = getattr(model, reader, None)
        if isinstance(module, nn.Module) and (entry := _entry(module)) is not None:
            return list(_specs(entry, model, told))
    if _TIMES.fullmatch(name):
        return [((_BATCH,), torch.long), ((_BATCH,), torch.float32)]
    entry = _entry(model)
    if entry is None:
        return [(shape, torch.float32) for shape in told.shapes(_BATCH)]
    return list(_specs(entry, model, told))


def _entry(model: nn.Module) -> nn.Module | None:
    """The first layer that fixes an input's shape; a convolution on an image before any other."""
    entries = [m for m in model.modules() if isinstance(m, _ENTRIES)]
    if not entries:
        return None
    images = [m for m in entries if isinstance(m, nn.Conv2d) and m.in_channels in (1, 3)]
    first = entries[0]
    if isinstance(first, (nn.Linear, *_NORMS)) and images:
        return images[0]
    return first


def _specs(entry: nn.Module, model: nn.Module, told: Stated) -> Iterator[Spec]:
    if isinstance(entry, (nn.Embedding, nn.EmbeddingBag)):
        yield from (((_BATCH, _LENGTH), torch.long), ((_BATCH,), torch.long))
    elif isinstance(entry, (nn.Linear, nn.Bilinear)):
        yield from _of_linear(entry, model, told)
    elif isinstance(entry, nn.RNNBase):
        yield (_BATCH, _LENGTH, entry.input_size), torch.float32
    elif isinstance(entry, nn.RNNCellBase):
        yield (_BATCH, entry.input_size), torch.float32
    elif isinstance(entry, nn.MultiheadAttention):
        yield (_BATCH, _LENGTH, entry.embed_dim), torch.float32
    else:
        yield from _of_spatial(entry, told)


def _of_linear(entry: nn.Linear | nn.Bilinear, model: nn.Module, told: Stated) -> Iterator[Spec]:
    yield from ((shape, torch.float32) for shape in told.shapes(_BATCH))
    width = (entry.in_features if isinstance(entry, nn.Linear) else entry.in1_features) or _WIDTH
    flat, sequence = (_BATCH, width), (_BATCH, _LENGTH, width)
    deep = any(isinstance(m, (nn.MultiheadAttention, nn.LayerNorm)) for m in model.modules())
    for shape in (sequence, flat) if deep else (flat, sequence):
        yield shape, torch.float32
    for channels in (1, 3):  # an image that the model flattens itself
        side = round((width / channels) ** 0.5)
        if side > 1 and channels * side * side == width:
            yield (_BATCH, channels, side, side), torch.float32


def _of_spatial(entry: nn.Module, told: Stated) -> Iterator[Spec]:
    rank = next((r for kinds, r in _RANKS if isinstance(entry, kinds)), 0)
    known = getattr(entry, "in_channels", 0) or getattr(entry, "num_features", 0)
    channels = known or told.channels or 3
    yield from ((shape, torch.float32) for shape in _told(told, rank, channels))
    if rank == 0:  # norms of any rank
        yield from (((_BATCH, channels, *size), torch.float32) for size in _SIZES[2])
        return
    if isinstance(entry, nn.BatchNorm1d):
        yield (_BATCH, channels), torch.float32
    sizes = _SMALL[rank] if isinstance(entry, _TRANSPOSED) else _sizes(rank, channels)
    yield from (((_BATCH, channels, *size), torch.float32) for size in sizes)


def _told(told: Stated, rank: int, channels: int) -> Iterator[Shape]:
    """What is stated, in the form that the first convolution takes, or that the model unfolds."""
    size = (told.length,) if rank == 1 and told.length else told.extent
    if size is not None and len(size) == rank:
        yield (_BATCH, channels, *size)
    else:
        yield from told.shapes(_BATCH)


def _sizes(rank: int, channels: int) -> tuple[Shape, ...]:
    """Likely sizes: digits for one channel, features rather than images for many."""
    sizes = _SIZES[rank]
    if rank == 2 and channels == 1:
        return ((28, 28), (32, 32), *(s for s in sizes if s not in ((28, 28), (32, 32))))
    if rank == 2 and channels == 4:
        return ((84, 84), *(s for s in sizes if s != (84, 84)))
    if rank == 2 and channels > 4:
        return ((32, 32), (64, 64), *(s for s in sizes if s not in ((32, 32), (64, 64))))
    return sizes


def _readers(cls: type, source: Source | None) -> dict[str, tuple[str, ...]]:
    """For each input of ``forward``, the attributes of ``self`` called on it before it changes."""
    node = _forward(cls, source)
    if node is None:
        return {}
    found: dict[str, list[str]] = {}
    bound: set[str] = set()
    for statement in node.body:
        for name, attribute in _reads(statement):
            if name not in bound:
                found.setdefault(name, []).append(attribute)
        stored = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
        bound |= {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    return {name: tuple(attributes) for name, attributes in found.items()}


def _reads(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Each plain name that is handed right to an attribute of ``self``, and that attribute."""
    for call in ast.walk(statement):
        if isinstance(call, ast.Call) and (attribute := _own_attribute(call.func)):
            yield from ((a.id, attribute) for a in call.args if isinstance(a, ast.Name))


def _forward(cls: type, source: Source | None) -> ast.FunctionDef | None:
    if source is None:
        return None
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            found = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "forward"]
            return found[-1] if found else None
    return None


def _own_attribute(func: ast.expr) -> str:
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
        return func.attr if func.value.id == "self" else ""
    return ""


def _of_transformers(model: nn.Module) -> tuple[Candidate, ...] | None:
    """Calls of a model that says which input is its main one and keeps its sizes in a config."""
    name, config = getattr(model, "main_input_name", None), getattr(model, "config", None)
    if not isinstance(name, str) or config is None:
        return None
    main = _main_input(name, config)
    if main is None:
        return None
    kwargs: dict[str, Any] = {name: _empty(main)}
    if getattr(config, "is_encoder_decoder", False) and name == "input_ids":
        kwargs["decoder_input_ids"] = _empty(main)
    return (Candidate((), kwargs),)


def _main_input(name: str, config: Any) -> Spec | None:
    if name == "input_ids":
        return (_BATCH, _LENGTH), torch.long
    if name == "pixel_values":
        size = getattr(config, "image_size", None)
        side = size if isinstance(size, (list, tuple)) else (size or 224,) * 2
        return (_BATCH, getattr(config, "num_channels", 3), *side), torch.float32
    if name == "input_values":
        return (_BATCH, 16000), torch.float32
    if name == "input_features":
        return (_BATCH, getattr(config, "num_mel_bins", 80), 3000), torch.float32
    return None


def _empty(spec: Spec) -> torch.Tensor:
    return torch.empty(spec[0], dtype=spec[1], device="meta")
