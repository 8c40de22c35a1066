"""``module-list`` and ``comprehension``: layers of a container, registered, and each built once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bnlint.domain.graph import ModuleInfo
from bnlint.edits import Action, Change, Job, NoEdit, Plan, Subject, built_by, name_of, syntax_at
from bnlint.edits.remove import statement_removed
from bnlint.edits.syntax import Splice, Syntax

_HELD = re.compile(r"(?:^|\.)(\w+)\[('?)")


def module_list(job: Job) -> Iterator[Plan]:
    """The plain list (or dict) that holds the layer put into a ModuleList (or ModuleDict)."""
    subject = job.layers["of"]
    held = _HELD.search(_path(subject))
    if held is None:
        raise NoEdit("it is not kept in a list or dict of the model")
    syntax = syntax_at(job, subject.construction, subject)
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
    syntax = syntax_at(job, subject.construction, subject)
    node = built_by(syntax, subject.construction, subject)
    assert subject.construction is not None
    yield Plan(
        syntax.source.path,
        _repeated(syntax, node) or _inlined(syntax, node),
        f"build {name_of(subject)} once for each place",
        Change(rebuilt=True, renames=True),
        built={"of": subject.construction},
    )


def torch_nn(syntax: Syntax, name: str) -> str:
    """How the file can name a class of ``torch.nn`` with its imports."""
    cst, code = syntax.cst, syntax.module.code_for_node
    found = ""
    for node in syntax.nodes(cst.ImportFrom):
        names = () if isinstance(node.names, cst.ImportStar) else node.names
        module = code(node.module) if node.module else ""
        for alias in names:
            shown = alias.asname.name.value if alias.asname else alias.name.value
            if module == "torch.nn" and alias.name.value == name:
                return str(shown)
            if module == "torch" and alias.name.value == "nn":
                return f"{shown}.{name}"
    for node in syntax.nodes(cst.Import):
        for alias in node.names:
            dotted = code(alias.name)
            if dotted == "torch.nn":
                return f"{alias.asname.name.value if alias.asname else dotted}.{name}"
            if dotted == "torch":
                found = f"{alias.asname.name.value if alias.asname else dotted}.nn.{name}"
    if not found:
        raise NoEdit(f"{name} is not imported")
    return found


def _path(subject: Subject) -> str:
    return subject.path if isinstance(subject, ModuleInfo) else subject.module


def _assigned_once(syntax: Syntax, attribute: str, built: Any) -> Any:
    """The only value of ``self.<attribute>``, in the class that builds the layer if it has one."""
    cst = syntax.cst
    found = []
    for node in syntax.nodes(cst.Assign):
        target = node.targets[0].target
        plain = len(node.targets) == 1 and isinstance(target, cst.Attribute)
        if plain and target.attr.value == attribute:
            found.append(node)
    if built is not None:
        home = syntax.enclosing(built, cst.ClassDef)
        own = [n for n in found if home is not None and syntax.enclosing(n, cst.ClassDef) is home]
        found = own or found
    if len(found) != 1:
        raise NoEdit(f"{attribute} is assigned at {len(found)} places")
    return found[0].value


def _repeated(syntax: Syntax, node: Any) -> tuple[Splice, ...]:
    """``[node] * n`` as a comprehension; nothing if the node is not in such a list."""
    cst = syntax.cst
    holder = syntax.parent(syntax.parent(node))
    if not isinstance(holder, (cst.List, cst.Tuple)):
        return ()
    product = syntax.parent(holder)
    if not isinstance(product, cst.BinaryOperation):
        return ()
    if not isinstance(product.operator, cst.Multiply):
        return ()
    times = product.right if product.left is holder else product.left
    return (syntax.replace(product, _listed(syntax, holder, syntax.text(times), "")),)


def _listed(syntax: Syntax, holder: Any, times: str, inner: str) -> str:
    """The comprehension for a multiplied list; ``inner`` replaces its only element."""
    texts = [inner or syntax.text(e.value) for e in holder.elements]
    if len(texts) == 1:
        return f"[{texts[0]} for _ in range({times})]"
    return f"[layer for _ in range({times}) for layer in ({', '.join(texts)})]"


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
    holder = syntax.parent(syntax.parent(uses[0]))
    if isinstance(holder, (cst.List, cst.Tuple)) and len(holder.elements) == 1:
        product = syntax.parent(holder)
        if isinstance(product, cst.BinaryOperation):
            times = product.right if product.left is holder else product.left
            new = _listed(syntax, holder, syntax.text(times), syntax.text(node))
            return (*removed, syntax.replace(product, new))
    return (*removed, syntax.replace(uses[0], syntax.text(node)))


def _named(syntax: Syntax, name: str, home: Any) -> Iterator[Any]:
    """Every mention of a variable in one function."""
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
