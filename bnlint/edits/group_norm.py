"""``group-norm``: a layer norm for channels that are on axis 1 turned into GroupNorm(1, C)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bnlint.domain.graph import name_of
from bnlint.edits import Action, Change, Job, NoEdit, Plan, is_numbered
from bnlint.edits.construction import FoundCall, renamed
from bnlint.edits.syntax import Splice

_FACTS = frozenset(("groups", "channels", "normalized-shape", "affine", "parameters"))
_SHAPE = "normalized_shape"


def group_norm(job: Job) -> Iterator[Plan]:
    """One group of all channels: the same weights, on the axis where the channels are."""
    found = FoundCall(job, job.layers["of"])
    class_ = found.subject.types[0].rpartition(".")[2] if found.subject.types else ""
    if class_ == "LayerNorm":
        name, splices = "GroupNorm", _of_layer(found)
    elif class_ == "layer_norm":
        name, splices = "group_norm", _of_function(found)
    else:
        raise NoEdit(f"`{name_of(found.subject)}` is no LayerNorm, and does not subtract the mean")
    renames = class_ == "layer_norm" or is_numbered(found.subject)
    plan = found.plan((*renamed(found, name), *splices), f"use {name} with one group", ())
    yield replace(plan, change=Change(_FACTS, kind=True, renames=renames))


def _of_layer(found: FoundCall) -> tuple[Splice, ...]:
    """The arguments of the class: the channels come second, and ``bias`` has no counterpart."""
    shape, affine = found.find(_SHAPE), found.find("elementwise_affine")
    if shape is None or found.find("bias") is not None:
        raise NoEdit("a group norm has no bias argument" if shape else f"{_SHAPE} is not given")
    groups, channels = ("num_groups=", "num_channels=") if shape.keyword else ("", "")
    text = f"{groups}1, {channels}{_channels(found, shape.value)}"
    splices = [Splice(found.syntax.span(shape)[0], found.syntax.end_of(shape), text)]
    if affine is not None and affine.keyword is not None:
        splices.append(found.syntax.replace(affine.keyword, "affine"))
    return tuple(splices)


def _of_function(found: FoundCall) -> tuple[Splice, ...]:
    """The arguments of the function, which has a number of groups in place of the shape."""
    shape = found.find(_SHAPE)
    if shape is None:
        raise NoEdit(f"{_SHAPE} is not given")
    text = "num_groups=1" if shape.keyword else "1"
    return (Splice(found.syntax.span(shape)[0], found.syntax.end_of(shape), text),)


def _channels(found: FoundCall, shape: object) -> str:
    """The text of a shape that holds one number, without the brackets around it."""
    cst = found.syntax.cst
    if isinstance(shape, (cst.Tuple, cst.List)) and len(shape.elements) == 1:
        return found.syntax.text(shape.elements[0].value)
    return found.syntax.text(shape)


ACTIONS = (Action("group-norm", group_norm),)
