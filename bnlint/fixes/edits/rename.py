"""``rename-call``: another class of the same package, such as BatchNorm1d for BatchNorm2d."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bnlint.fixes.edits.arguments import FoundCall
from bnlint.fixes.plan import Change, Job, Plan, Refused
from bnlint.fixes.source_text import Splice
from bnlint.fixes.syntax import Syntax


def rename_call(job: Job) -> Iterator[Plan]:
    """The class in the call that builds the layer replaced; imported too where it has to be."""
    subject, to = job.layers["of"], str(job.arguments["to"])
    found = FoundCall(job, subject)
    func, syntax = found.node.func, found.syntax
    old = subject.types[0].rpartition(".")[2]
    name = func.attr if isinstance(func, syntax.cst.Attribute) else func
    if not isinstance(name, syntax.cst.Name) or name.value != old:
        raise Refused(f"{old} goes by another name there: `{syntax.text(func)}`")
    splices = [Splice(*syntax.span(name), to)]
    if name is func:
        splices += _import(syntax, old, to)
    plan = found.plan(tuple(splices), f"use {to} for {old}", ())
    yield Plan(plan.path, plan.splices, plan.message, Change(kind=True), plan.built, plan.called)


def _import(syntax: Syntax, old: str, new: str) -> list[Splice]:
    """What makes ``new`` known where ``old`` was imported by its name."""
    for statement in syntax.nodes(syntax.cst.ImportFrom):
        names: Any = statement.names
        if isinstance(names, syntax.cst.ImportStar):
            continue
        known = {alias.name.value for alias in names if alias.asname is None}
        if new in known:
            return []
        for alias in names:
            if alias.asname is None and alias.name.value == old:
                end = syntax.span(alias)[1] if alias.comma is None else syntax.span(alias.name)[1]
                return [Splice(end, end, f", {new}")]
    return []
