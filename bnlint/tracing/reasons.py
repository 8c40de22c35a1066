"""Why a call failed, apart from what a larger or smaller input would change.

Two failures have the same cause if the messages are the same and so are the numbers that conflict:
8 against 16 channels, whatever the size of the image.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from bnlint.domain.objects import home_of
from bnlint.layers.calls import Call
from bnlint.layers.of_calls import arguments_of, kind_of
from bnlint.layers.table import Kind, Table, having, rank_of

Conflict = tuple[int, int]

_LIMITS = re.compile(
    r"(?i)\bmeta (tensor|device|backend)|on meta\b|meta tensors|register_meta|meta kernel|"
    r"device meta|aten::|torchvision::|dispatch|data.dependent|fake ?tensor|same device|"
    r"could not run '|not implemented for|"
    r"storage of \w+Impl|no kernel|does not exist|operator .* not found|cuda|out of memory|"
    r"can't allocate memory"
)
"""What torch says of operations that cannot run without numbers or on this machine."""

_TOO_SMALL = re.compile(r"(?i)too small|greater than|less than|larger|smaller|more than 1|at least")
"""What torch says where a larger input would do."""

_CONFLICTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)",
        r"Expected size (\d+) but got size (\d+)",
        r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)",
        r"expanded size of the tensor \((\d+)\) must match the existing size \((\d+)\)",
        r"to be: \[\d+, (\d+)\] but got: \[\d+, (\d+)\]",
        r"same number of dimensions: got (\d+) and (\d+)",
        r"Expected (\d+), got (\d+)",
        r"embedding dimension of (\d+), but got (\d+)",
        r"has size (\d+) for operand .* previously seen size (\d+)",
        r"size mismatch, got input \((\d+)\), .* vec \((\d+)\)",
        r"to have (\d+) channels, but got (\d+) channels",
        r"got \[\d+, (\d+)\] X \[(\d+), \d+\]",
        r"pixel_shuffle: torch.Size\(\[\d+, (\d+), .* upscale_factor = (\d+)",
    )
)
_OUTSIDE = re.compile(
    r"index \d+ is out of bounds for dimension \d+ with size (\d+)|index (\d+) is out of range"
)
"""The size of a table, or the first index without an item in a list of layers or parameters."""
_VIEW = re.compile(r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)")
_RANKS = re.compile(r"(?i)number of dimensions")
_TYPES = re.compile(r"(?i)scalar type|dtype|must be .*Tensor.*, not ")
_LISTS = re.compile(r"\[[^\[\]]*\]|\([\d, ]*\)")
_NUMBER = re.compile(r"\d+")
_LAST_AXIS_NORMS = having("reads", "last")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a call failed: what torch said without numbers, and the two numbers that conflict.

    ``decides`` is false for a norm that takes the wrong axis for the channels: no size of the
    input may be chosen so that the numbers on that axis happen to fit. ``small`` and ``of_types``
    tell failures of inputs that are too small, or of another type than is taken. ``joins`` is true
    if what comes from one input is joined with what comes from another, which may have any size;
    ``of_ranks`` if it is the number of their axes that differs. ``within`` is the number of items
    where an index went past the last one, as in a loop over the steps of an input that is longer
    than a list of weights or of layers.
    """

    words: str
    conflict: Conflict | None = None
    numbers: tuple[int, ...] = ()
    small: bool = False
    decides: bool = True
    of_types: bool = False
    joins: bool = False
    within: int = 0
    of_ranks: bool = False


def is_limit(error: BaseException) -> bool:
    """True for an error that only occurs because tensors hold no numbers, or on this machine."""
    if isinstance(error, (ImportError, MemoryError)):
        return True
    home = home_of(type(error))
    if home.startswith(("bnlint.", "torch._subclasses", "torch._dynamo", "torch.fx")):
        return True
    return bool(_LIMITS.search(str(error)))


def reason_for(call: Call, table: Table, known: Mapping[str, Call]) -> Reason:
    """Why ``call`` failed after the calls that are ``known`` by their ids."""
    kind, x = kind_of(call, table), _first_value(call, known)
    found: Reason | None = None
    if kind is not None and isinstance(x, torch.Tensor):
        found = _of_kernel(call, kind, x) or _of_norm(call, kind, x)
    if found is None:
        found = replace(by_message(call.error or ""), joins=_joins_inputs(call, known))
    return _never_divides(call, found, known) or found


def _joins_inputs(call: Call, known: Mapping[str, Call]) -> bool:
    """True if two of its tensors come from different inputs of the model."""
    origins = {_inputs_behind(ref.id, known) for ref in call.refs()} - {frozenset()}
    return len(origins) > 1


def _inputs_behind(start: str, known: Mapping[str, Call]) -> frozenset[str]:
    waiting, seen = [start], {start}
    inputs: set[str] = set()
    while waiting:
        call = known.get(waiting.pop())
        if call is None:
            continue
        if call.target == "input" or _is_part_of_input(call, known):
            inputs.add(call.id)
            continue
        fresh = {ref.id for ref in call.refs()} - seen
        seen |= fresh
        waiting += fresh
    return frozenset(inputs)


def _is_part_of_input(call: Call, known: Mapping[str, Call]) -> bool:
    """True for an item or attribute of an input that is no tensor, as of a dict of them."""
    source = _source(call, known)
    while source is not None and not isinstance(source.value, torch.Tensor):
        if source.target == "input":
            return True
        source = _source(source, known)
    return False


def _first_value(call: Call, known: Mapping[str, Call]) -> Any:
    source = _source(call, known)
    return source.value if source else None


def _never_divides(call: Call, why: Reason, known: Mapping[str, Call]) -> Reason | None:
    """The reason if maps are flattened to a number that is no multiple of their channels.

    Then no height and width make it fit.
    """
    x = _first_value(call, known)
    if why.conflict is None or not isinstance(x, torch.Tensor):
        return None
    wanted, maps = 0, x.shape
    if why.words == "channels" and x.ndim == 2:
        wanted, maps = why.conflict[1], _maps_behind(call, known)
    elif (view := _VIEW.search(call.error or "")) is not None:
        rows, *sizes = map(int, view[1].split(","))
        wanted = math.prod(sizes) if min(sizes, default=-1) > 0 and rows > 0 else 0
    if len(maps) < 3 or wanted % maps[1] == 0:
        return None
    return Reason("multiple", None, (wanted, maps[1]))


def _maps_behind(call: Call, known: Mapping[str, Call]) -> torch.Size:
    """The shape of the maps that were flattened to the vectors which ``call`` takes."""
    size: torch.Size | None = None
    while (source := _source(call, known)) is not None and isinstance(source.value, torch.Tensor):
        shape = source.value.shape
        if size is not None and math.prod(shape) != math.prod(size):
            break
        if len(shape) > 2:
            return shape
        call, size = source, shape
    return torch.Size()


def _source(call: Call, known: Mapping[str, Call]) -> Call | None:
    return next((known[ref.id] for ref in call.refs() if ref.id in known), None)


def by_message(said: str) -> Reason:
    """The reason in what torch said."""
    words, small = _NUMBER.sub("#", _LISTS.sub("[]", said)), bool(_TOO_SMALL.search(said))
    conflict = _conflict(said)
    numbers: tuple[int, ...] = conflict or tuple(map(int, _NUMBER.findall(said)))
    if conflict and _VIEW.search(said):
        common = math.gcd(*conflict) or 1  # both are multiples of the batch
        numbers = tuple(n // common for n in conflict)
    outside = _OUTSIDE.search(said)
    within = int(outside[1] or outside[2]) if outside else 0
    types = bool(_TYPES.search(said))
    ranks = bool(_RANKS.search(said))
    return Reason(words, conflict, numbers, small, of_types=types, of_ranks=ranks, within=within)


def _conflict(said: str) -> Conflict | None:
    if (view := _VIEW.search(said)) is not None:
        sizes = [int(size) for size in view[1].split(",")]
        return math.prod(abs(size) for size in sizes), int(view[2])
    matches = (pattern.search(said) for pattern in _CONFLICTS)
    found = next((m for m in matches if m is not None), None)
    return (int(found[1]), int(found[2])) if found is not None else None


def _of_axis(x: torch.Tensor, axis: int, wanted: object) -> Reason | None:
    """The channels that arrive, if the layer is made for another number of them."""
    if not isinstance(wanted, int) or x.shape[axis] == wanted:
        return None
    return Reason("channels", (x.shape[axis], wanted), (x.shape[axis], wanted))


def _layout(channels: int) -> Reason:
    """The channels are on another axis than the one that the norm reads."""
    return Reason("layout", None, (channels,), decides=False)


def _of_kernel(call: Call, kind: Kind, x: torch.Tensor) -> Reason | None:
    target = call.target
    if "dense" in kind.tags and "kernel" in kind.tags:
        return _of_axis(x, -1, getattr(target, "in_features", None)) if x.ndim else None
    dims = rank_of(kind.tags) or 0
    if "conv" not in kind.tags or not dims:
        return None
    axis = x.ndim - dims - 1
    if axis not in (0, 1):
        return Reason("rank")
    return _of_axis(x, axis, getattr(target, "in_channels", None))


def _of_norm(call: Call, kind: Kind, x: torch.Tensor) -> Reason | None:
    if "norm" not in kind.tags:
        return None
    if kind.tags & _LAST_AXIS_NORMS:
        return _of_last_axis(call, x)
    wanted = getattr(call.target, "num_features", getattr(call.target, "num_channels", None))
    dims = rank_of(kind.tags) or 0
    if "batchnorm" in kind.tags:
        allowed = (2, 3) if dims == 1 else (dims + 2,)
        if dims and x.ndim not in allowed:
            return Reason("rank")
        if x.ndim == 3 and x.shape[2] == wanted != x.shape[1]:
            return _layout(x.shape[2])
    return _of_axis(x, 1, wanted) if x.ndim > 1 else None


def _of_last_axis(call: Call, x: torch.Tensor) -> Reason | None:
    """A norm over the last axis that was given maps, whose channels come first."""
    shape = normalized_shape(call)
    if len(shape) == 1 and x.ndim > 2 and x.shape[1] == shape[0] != x.shape[-1]:
        return _layout(shape[0])
    return None


def normalized_shape(call: Call) -> tuple[int, ...]:
    """The axes that a norm over the last axes is made for; empty if that is not known."""
    if isinstance(call.target, nn.Module):
        shape = getattr(call.target, "normalized_shape", ())
    else:
        shape = arguments_of(call.target, call.args, call.kwargs).get("normalized_shape", ())
    shape = (shape,) if isinstance(shape, int) else shape
    known = isinstance(shape, (tuple, list)) and all(isinstance(s, int) for s in shape)
    return tuple(shape) if known else ()


def happens_to_fit(call: Call, table: Table, known: Mapping[str, Call]) -> bool:
    """True for a norm that ran where two axes have the size that it is made for.

    Only an input of another size shows whether it takes the right one.
    """
    kind = kind_of(call, table)
    if kind is None or "norm" not in kind.tags:
        return False
    x = _first_value(call, known)
    if not isinstance(x, torch.Tensor) or x.ndim < 3:
        return False
    if kind.tags & _LAST_AXIS_NORMS:
        shape = normalized_shape(call)
        return len(shape) == 1 and x.shape[1] == x.shape[-1] == shape[0]
    return "batchnorm" in kind.tags and x.ndim == 3 and x.shape[1] == x.shape[2]
