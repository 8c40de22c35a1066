"""``module-list`` and ``comprehension``: layers of a container, registered, and each built once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bnlint.domain.graph import ModuleInfo, name_of
from bnlint.edits import Action, Change, Job, NoEdit, Plan
from bnlint.edits.arrangement import statement_removed
from bnlint.edits.syntax import Splice, Syntax

_HELD = re.compile(r"(?:^|\.)(\w+)\[('?)")


def module_list(job: Job) -> Iterator[Plan]:
    """The plain list (or dict) that holds the layer put into a ModuleList (or ModuleDict)."""
    subject = job.layers["of"]
    path = subject.path if isinstance(subject, ModuleInfo) else subject.module
    held = _HELD.search(path)
    if held is None:
        raise NoEdit("it is not kept in a list or dict of the model")
    syntax = job.syntax_at(subject.construction, subject)
    value = _assigned_once(syntax, held[1], syntax.call_at(subject.construction))
    container = "ModuleDict" if held[2] else "ModuleList"
    text = syntax.text(value)
    if isinstance(value, syntax.cst.Tuple) and not value.lpar:
        text = f"({text})"
    new = f"{torch_nn(syntax, container)}({text})"
    yield Plan(
        syntax.source.path,
        (syntax.replace(value, new),),
        f"keep {held[1]} in a {container}",
        Change(rebuilt=True, renames=True),
    )


def comprehension(job: Job) -> Iterator[Plan]:
    """``[layer] * n`` turned into a comprehension, so that the layer is built n times."""
    subject = job.layers["of"]
    syntax, node, place = job.built_at(subject.construction, subject)
    yield Plan(
        syntax.source.path,
        _repeated(syntax, node) or _inlined(syntax, node),
        f"build {name_of(subject)} once for each place",
        Change(rebuilt=True, renames=True),
        built={"of": place},
    )


def torch_nn(syntax: Syntax, name: str) -> str:
    """How the file can name a class of ``torch.nn`` with its imports."""
    cst, code, found = syntax.cst, syntax.module.code_for_node, ""
    for node in syntax.nodes(cst.ImportFrom):
        module = code(node.module) if node.module else ""
        for alias in () if isinstance(node.names, cst.ImportStar) else node.names:
            shown = str(alias.evaluated_alias or alias.evaluated_name)
            if (module, alias.evaluated_name) == ("torch.nn", name):
                return shown
            if (module, alias.evaluated_name) == ("torch", "nn"):
                return f"{shown}.{name}"
    for node in syntax.nodes(cst.Import):
        for alias in node.names:
            shown = str(alias.evaluated_alias or alias.evaluated_name)
            if alias.evaluated_name == "torch.nn":
                return f"{shown}.{name}"
            if alias.evaluated_name == "torch":
                found = f"{shown}.nn.{name}"
    if not found:
        raise NoEdit(f"{name} is not imported")
    return found


def _assigned_once(syntax: Syntax, attribute: str, built: Any) -> Any:
    """The only value of ``self.<attribute>``, in the class that builds the layer if it has one."""
    cst = syntax.cst
    found = [
        node
        for node in syntax.nodes(cst.Assign)
        if len(node.targets) == 1
        and isinstance(target := node.targets[0].target, cst.Attribute)
        and target.attr.value == attribute
    ]
    if built is not None:
        home = syntax.enclosing(built, cst.ClassDef)
        own = [n for n in found if home is not None and syntax.enclosing(n, cst.ClassDef) is home]
        found = own or found
    if len(found) != 1:
        raise NoEdit(f"{attribute} is assigned at {len(found)} places")
    return found[0].value


def _multiplied(syntax: Syntax, node: Any) -> tuple[Any, Any, str] | None:
    """What ``node`` is an element of: the product ``[node] * n``, its list, and the text of n."""
    cst = syntax.cst
    holder = syntax.parent(syntax.parent(node))
    product = syntax.parent(holder)
    if not isinstance(holder, (cst.List, cst.Tuple)):
        return None
    if not isinstance(getattr(product, "operator", None), cst.Multiply):
        return None
    times = product.right if product.left is holder else product.left
    return product, holder, syntax.text(times)


def _repeated(syntax: Syntax, node: Any) -> tuple[Splice, ...]:
    """``[node] * n`` as a comprehension; nothing if the node is not in such a list."""
    found = _multiplied(syntax, node)
    if found is None:
        return ()
    product, holder, times = found
    texts = [syntax.text(e.value) for e in holder.elements]
    new = f"[{texts[0]} for _ in range({times})]"
    if len(texts) > 1:
        new = f"[layer for _ in range({times}) for layer in ({', '.join(texts)})]"
    return (syntax.replace(product, new),)


def _inlined(syntax: Syntax, node: Any) -> tuple[Splice, ...]:
    """A layer that is built before the list that repeats it, built in the list instead."""
    cst = syntax.cst
    assign = syntax.parent(node)
    target = assign.targets[0].target if isinstance(assign, cst.Assign) else None
    if not isinstance(target, cst.Name) or len(assign.targets) != 1:
        raise NoEdit("it is not plain to see what repeats it")
    home = syntax.function_of(node)
    uses = [n for n in _named(syntax, target.value, home) if n is not target]
    if len(uses) != 1:
        raise NoEdit(f"{target.value} is used at {len(uses)} places")
    removed = statement_removed(syntax, syntax.parent(assign))
    found = _multiplied(syntax, uses[0])
    if found is not None and len(found[1].elements) == 1:
        new = f"[{syntax.text(node)} for _ in range({found[2]})]"
        return (*removed, syntax.replace(found[0], new))
    return (*removed, syntax.replace(uses[0], syntax.text(node)))


def _named(syntax: Syntax, name: str, home: Any) -> Iterator[Any]:
    cst = syntax.cst
    for node in syntax.nodes(cst.Name):
        above = syntax.parent(node)
        if node.value != name or getattr(above, "keyword", None) is node:
            continue
        if isinstance(above, cst.Attribute) and above.attr is node:
            continue
        if syntax.function_of(node) is home:
            yield node


ACTIONS = (Action("module-list", module_list), Action("comprehension", comprehension))
