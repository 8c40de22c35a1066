"""``register``: a layer that forward builds, or that is kept in a plain list, is registered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bnlint.domain.graph import ModuleInfo, Subject, name_of
from bnlint.edits import Action, Change, Job, NoEdit, Plan
from bnlint.edits.registering import module_list
from bnlint.edits.syntax import Splice, Syntax

_FACTS = frozenset(("states", "parameters"))


def register(job: Job) -> Iterator[Plan]:
    """The list made a ModuleList, or the layer built in ``__init__`` instead of in forward."""
    subject = job.layers["of"]
    if subject.facts.get("held") != "forward":
        yield from module_list(job)
        return
    syntax, node, place = job.built_at(subject.construction, subject)
    method = _Method(syntax, node, subject)
    name = method.new_name()
    line = f"{method.own}.{name} = {syntax.text(node)}"
    splices = (method.added(line), syntax.replace(node, f"{method.own}.{name}"))
    change = Change(_FACTS, rebuilt=True, renames=True)
    message = f"build {name} in __init__"
    yield Plan(syntax.source.path, splices, message, change, built={"of": place})


class _Method:
    """The method that builds a layer, and the constructor of its class."""

    def __init__(self, syntax: Syntax, node: Any, subject: Subject) -> None:
        cst = syntax.cst
        self.syntax, self.node = syntax, node
        self.home = syntax.enclosing(node, cst.ClassDef)
        method = syntax.function_of(node)
        if self.home is None or not isinstance(method, cst.FunctionDef) or not method.params.params:
            raise NoEdit(f"{name_of(subject)} is not built in a method")
        self.own = method.params.params[0].name.value
        own_methods = (s for s in self.home.body.body if isinstance(s, cst.FunctionDef))
        found = next((m for m in own_methods if m.name.value == "__init__"), None)
        if found is None or not isinstance(found.body, cst.IndentedBlock):
            raise NoEdit("its class has no __init__ of its own")
        self.constructor = found
        if _learns(subject) and syntax.enclosing(node, cst.For, cst.While, cst.CompFor):
            raise NoEdit("forward builds it in a loop, so it is not clear how many there should be")
        self._must_be_known_there()

    def _must_be_known_there(self) -> None:
        """Raises NoEdit if its arguments depend on what the method computes."""
        syntax, cst = self.syntax, self.syntax.cst
        known = {self.own, *_global_names(syntax)} | {"True", "False", "None"}
        for name in _inside(syntax, self.node, cst.Name):
            above = syntax.parent(name)
            is_label = name in (getattr(above, "keyword", None), getattr(above, "attr", None))
            if not is_label and name.value not in known:
                raise NoEdit(f"its arguments depend on `{name.value}`, which forward computes")
        for attribute in _inside(syntax, self.node, cst.Attribute):
            text = syntax.text(attribute)
            of_own = isinstance(attribute.value, cst.Name) and attribute.value.value == self.own
            if of_own and not any(text in self._assigned(s) for s in self.constructor.body.body):
                raise NoEdit(f"its arguments depend on `{text}`, which __init__ does not set")

    def _assigned(self, statement: Any) -> set[str]:
        """The attributes that a statement of the constructor sets, as they are written."""
        cst = self.syntax.cst
        lines = statement.body if isinstance(statement, cst.SimpleStatementLine) else ()
        targets = (t.target for line in lines if isinstance(line, cst.Assign) for t in line.targets)
        pairs = (
            [e.value for e in t.elements] if isinstance(t, cst.Tuple) else [t] for t in targets
        )
        texts = (self.syntax.text(each) for pair in pairs for each in pair)
        return {text for text in texts if text.startswith(f"{self.own}.")}

    def new_name(self) -> str:
        """A free name of an attribute: that of the variable it is assigned to, or of its class."""
        cst, above = self.syntax.cst, self.syntax.parent(self.node)
        target: Any = above.targets[0].target if isinstance(above, cst.Assign) else None
        plain = isinstance(target, cst.Name) and len(above.targets) == 1
        func: Any = self.node.func
        class_ = func.attr.value if isinstance(func, cst.Attribute) else self.syntax.text(func)
        name = target.value if plain else class_.lower()
        taken = {a.attr.value for a in _inside(self.syntax, self.home, cst.Attribute)}
        taken |= {f.name.value for f in _inside(self.syntax, self.home, cst.FunctionDef)}
        names = (name, *(f"{name}{n}" for n in range(2, 100)))
        return next(n for n in names if n not in taken)

    def added(self, line: str) -> Splice:
        """A new line of the constructor after those that set attributes or call another one."""
        syntax, source = self.syntax, self.syntax.source
        fitting = [
            s for s in self.constructor.body.body if self._assigned(s) or self._calls_base(s)
        ]
        if not fitting:
            raise NoEdit("its __init__ sets no attribute")
        start, end = syntax.span(fitting[-1])
        at, indent = source.whole_lines(start, end)[1], syntax.indentation(start)
        if not source.text[:at].endswith(("\n", "\r")):
            return Splice(at, at, f"{source.newline}{indent}{line}")
        return Splice(at, at, f"{indent}{line}{source.newline}")

    def _calls_base(self, statement: Any) -> bool:
        simple = isinstance(statement, self.syntax.cst.SimpleStatementLine)
        return simple and "__init__(" in self.syntax.between(*self.syntax.span(statement))


def _learns(subject: Subject) -> bool:
    if isinstance(subject, ModuleInfo):
        return subject.parameters > 0
    return bool(subject.facts.get("parameters"))


def _inside(syntax: Syntax, outer: Any, kind: type[Any]) -> Iterator[Any]:
    start, end = syntax.span(outer)
    for node in syntax.nodes(kind):
        if start <= syntax.span(node)[0] and syntax.span(node)[1] <= end:
            yield node


def _global_names(syntax: Syntax) -> Iterator[str]:
    """The names that imports, classes, functions and assignments of the file bind."""
    cst = syntax.cst
    for statement in syntax.module.body:
        if isinstance(statement, (cst.ClassDef, cst.FunctionDef)):
            yield statement.name.value
        for line in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(line, cst.Assign):
                yield from (syntax.text(t.target) for t in line.targets)
            names = getattr(line, "names", ())
            for alias in () if isinstance(names, cst.ImportStar) else names:
                yield str(alias.evaluated_alias or alias.evaluated_name).partition(".")[0]


ACTIONS = (Action("register", register),)
