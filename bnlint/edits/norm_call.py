"""``call-norm``: a norm that nothing calls is called after the layer that has none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bnlint.domain.graph import Op, name_of
from bnlint.edits import Action, Change, Job, NoEdit, Plan
from bnlint.edits.syntax import Splice


def call_norm(job: Job) -> Iterator[Plan]:
    """The call of the layer put into a call of the norm, which is an attribute beside it."""
    layer, norm = job.layers["of"], str(job.arguments["norm"])
    if not isinstance(layer, Op) or layer.call is None or layer.facts.get("calls") != 1:
        raise NoEdit(f"{name_of(layer)} is not called at one place")
    syntax = job.syntax(layer.call.path)
    node: Any = syntax.call_at(layer.call)
    func: Any = node.func if node else None
    cst = syntax.cst
    own, beside = layer.module.rpartition(".")[2], norm.rpartition(".")[2]
    plain = isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name)
    if not plain or func.attr.value != own or not beside.isidentifier():
        raise NoEdit(f"the call of {layer.layer} is not plain to see")
    start, end = syntax.span(node)
    splices = (Splice(start, start, f"{func.value.value}.{beside}("), Splice(end, end, ")"))
    message = f"call {beside} after {own}"
    yield Plan(syntax.source.path, splices, message, Change(inserted="after"),
               called={"of": layer.call})  # fmt: skip


ACTIONS = (Action("call-norm", call_norm, arguments=("norm",)),)
