"""Reads one function body: what each expression around a value tells about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from bnlint.models.evidence.bindings import (
    ARRAY,
    MAPPING,
    MODULE,
    SEQUENCE,
    TENSOR,
    TENSOR_FIELDS,
    WORD,
    Bindings,
    field_of,
)
from bnlint.models.evidence.bodies import Function
from bnlint.models.evidence.callees import Inside, bound, calls_helper, is_layer, resolved
from bnlint.models.evidence.taking import note_function, note_layer, note_spread
from bnlint.models.evidence.uses import ParameterUse, is_condition_of
from bnlint.models.outline import called

_OF_SEQUENCES = frozenset(
    {"len", "enumerate", "zip", "list", "tuple", "sum", "sorted", "reversed", "iter", "set", "map"}
)
_OF_NUMBERS = frozenset({"range", "int", "float", "abs", "round", "divmod", "pow"})


class Follows(Protocol):
    """What follows a value into the code that it is passed to."""

    names: Mapping[str, Any]

    def passed(
        self, call: ast.Call, inside: Inside | None, names: Mapping[str, Any]
    ) -> tuple[dict[str, ParameterUse], list[str], Any]:
        """Uses by parameter of what is called, its parameters in their order, and itself."""


class Interpreter:
    """Notes the uses of the values in ``known`` (by the name or ``self.name`` that holds them)."""

    def __init__(
        self, known: dict[str, ParameterUse], inside: Inside | None, follow: Follows, running: bool
    ) -> None:
        self.values, self.follow, self.running = Bindings(known, inside), follow, running
        self.parents: dict[ast.AST, ast.AST] = {}

    def read(self, body: Function) -> None:
        """Note what the body does with the known values, and what it calls them."""
        for node in ast.walk(body):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        for _ in range(2):  # names of names
            for node in ast.walk(body):
                self.values.bind(node)
        for node in ast.walk(body):
            if isinstance(node, ast.expr):
                self._look_at(node)
            elif isinstance(node, (ast.Assert, ast.If)):
                self._require(node)

    def _look_at(self, node: ast.expr) -> None:
        use, parent = self.values.use_of(node), self.parents.get(node)
        if use is None or parent is None:
            return
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return
        use.read += 1
        for note in _NOTES.get(type(parent), ()):
            note(self, node, use, parent)
        if isinstance(node, ast.Subscript):
            self._note_index(node)

    def _note_index(self, node: ast.Subscript) -> None:
        owner = self.values.use_of(node.value)
        if owner is None:
            return
        if isinstance(node.slice, ast.Slice):
            owner.sequence = True
            return
        try:
            index = ast.literal_eval(node.slice)
        except ValueError:
            owner.sequence = True
            return
        if isinstance(index, int):
            owner.sequence = True
            owner.items = max(owner.items, index + 1 if index >= 0 else -index)

    def _note_call(self, node: ast.expr, use: ParameterUse, call: ast.Call) -> None:
        if call.func is node:
            if _is_tested_before(node, self.parents.get(call)):
                return
            use.applied |= self.running
            use.called |= not self.running
            use.arguments = max(use.arguments, len(call.args))
            use.keywords |= {k.arg for k in call.keywords if k.arg}
            use.helper |= calls_helper(call, self.parents.get(call))
            return
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in _OF_SEQUENCES and not (name in ("list", "set", "tuple") and use.word):
            use.sequence = True
        elif name in _OF_NUMBERS:
            use.number = True
            use.fraction |= name == "float"
            use.whole |= name == "range"
        elif name in ("dict", "OrderedDict"):
            use.mapping = True
        elif name in ("getattr", "hasattr"):
            self._note_getattr(node, use, call)
        else:
            self._note_argument(node, use, call)

    def _note_getattr(self, node: ast.expr, use: ParameterUse, call: ast.Call) -> None:
        """``getattr(nn, name)`` wants the name of a class, ``hasattr(x, "y")`` a field or not."""
        if len(call.args) < 2:
            return
        if call.args[1] is node:
            use.word = True
            owner = resolved(call.args[0], self.follow.names)
            if getattr(owner, "__name__", "") in ("torch.nn", "torch.nn.modules.activation"):
                use.literals.append("ReLU")
        elif isinstance(call.args[1], ast.Constant) and call.func.id == "hasattr":  # type: ignore[attr-defined]
            field_of(use, call.args[1].value, True)

    def _note_argument(self, node: ast.expr, use: ParameterUse, call: ast.Call) -> None:
        """What is known of the parameter that takes the value."""
        uses, parameters, target = self.follow.passed(call, self.values.inside, self.follow.names)
        takes_more = is_layer(target) and len(parameters) == 1  # ``Sequential(*args)``
        for name, value in bound(call, parameters * (len(call.args) if takes_more else 1)):
            if value is node and is_layer(target):
                note_layer(use, target, name)
            elif value is node and name in uses:
                use.add(uses[name])
        note_function(use, called(call))

    def _note_method(self, node: ast.expr, use: ParameterUse, attribute: ast.Attribute) -> None:
        name = attribute.attr
        use.word |= name in WORD
        use.sequence |= name in SEQUENCE
        use.mapping |= name in MAPPING
        use.tensor |= name in TENSOR_FIELDS or (name in TENSOR and not use.fields)
        use.array |= name in ARRAY
        use.module |= name in MODULE
        call = self.parents.get(attribute)
        word = call.args[0] if isinstance(call, ast.Call) and call.args else None
        if name == "index" and isinstance(word, ast.Constant) and isinstance(word.value, str):
            use.item().word = True
            use.item().literals.append(word.value)

    def _note_operation(self, node: ast.expr, use: ParameterUse, operation: ast.BinOp) -> None:
        other = operation.right if operation.left is node else operation.left
        if isinstance(other, (ast.List, ast.ListComp, ast.Tuple)):
            plus = isinstance(operation.op, ast.Add)
            use.sequence |= plus
            use.number |= not plus
        elif isinstance(other, (ast.JoinedStr,)) or isinstance(getattr(other, "value", 0), str):
            use.word |= isinstance(operation.op, ast.Add)
        else:
            use.number = True

    def _note_comparison(self, node: ast.expr, use: ParameterUse, comparison: ast.Compare) -> None:
        sides = [comparison.left, *comparison.comparators]
        for op, left, right in zip(comparison.ops, sides, sides[1:], strict=False):
            if node not in (left, right):
                continue
            other = right if node is left else left
            if isinstance(op, (ast.Eq, ast.NotEq)):
                self._note_literals(use, [other])
            elif isinstance(op, (ast.In, ast.NotIn)):
                if node is left:
                    self._note_literals(use, self._entries(other))
                else:
                    use.sequence |= not use.fields and not use.mapping
            elif isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
                use.number = True

    def _entries(self, node: ast.expr) -> list[ast.expr]:
        """The keys of a dict or the items of a list that is written here or has a name."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value if node.func.attr == "keys" else node
        if isinstance(node, ast.Name):
            node = self.values.tables.get(node.id, node)
        if isinstance(node, ast.Dict):
            return [key for key in node.keys if key is not None]
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return node.elts
        known = resolved(node, self.follow.names)
        values = list(known) if isinstance(known, (dict, list, tuple, set)) else []
        return [ast.Constant(v) for v in values if isinstance(v, (str, int))]

    def _note_literals(self, use: ParameterUse, nodes: list[ast.expr]) -> None:
        for node in nodes:
            try:
                value = ast.literal_eval(node)
            except ValueError:
                continue
            rows = isinstance(value, (list, tuple)) and value and all(type(n) is int for n in value)
            number = isinstance(value, (int, float)) and value not in (0, 1)
            if isinstance(value, str) or number or rows:
                use.literals += [value] if value not in use.literals else []
            use.word |= isinstance(value, str)

    def _note_lookup(self, node: ast.expr, use: ParameterUse, lookup: ast.Subscript) -> None:
        """``{"relu": nn.ReLU}[x]`` and ``TABLE[x]`` want one of the keys."""
        if lookup.slice is node:
            table = lookup.value
            if isinstance(table, ast.Name):
                table = self.values.tables.get(table.id, table)
            known = resolved(table, self.follow.names)
            if isinstance(table, ast.Dict) or isinstance(known, dict):
                self._note_literals(use, self._entries(table))
            else:
                use.number |= isinstance(table, (ast.List, ast.Tuple))

    def _note_iteration(
        self, node: ast.expr, use: ParameterUse, loop: ast.For | ast.comprehension
    ) -> None:
        use.sequence |= loop.iter is node
        use.keyed |= loop.iter is node and self._looks_up(loop)

    def _looks_up(self, loop: ast.For | ast.comprehension) -> bool:
        """``for name in heads: heads[name]`` iterates over the keys of a mapping."""
        around: ast.AST = loop if isinstance(loop, ast.For) else self.parents[loop]
        wanted = ast.dump(loop.iter), ast.dump(ast.Load())
        return isinstance(loop.target, ast.Name) and any(
            (ast.dump(n.value), ast.dump(n.ctx)) == wanted
            and isinstance(n.slice, ast.Name)
            and n.slice.id == loop.target.id
            for n in ast.walk(around)
            if isinstance(n, ast.Subscript)
        )

    def _note_star(self, node: ast.expr, use: ParameterUse, starred: ast.Starred) -> None:
        use.sequence = True
        call = self.parents.get(starred)
        layer = resolved(call.func, self.follow.names) if isinstance(call, ast.Call) else None
        if layer is not None and is_layer(layer):
            note_layer(use.item(), layer, "")

    def _note_keyword(self, node: ast.expr, use: ParameterUse, keyword: ast.keyword) -> None:
        call = self.parents.get(keyword)
        if keyword.arg is not None and isinstance(call, ast.Call):
            self._note_argument(node, use, call)
        elif isinstance(call, ast.Call):
            uses, parameters, target = self.follow.passed(
                call, self.values.inside, self.follow.names
            )
            given = [name for name, _ in bound(call, parameters)]
            note_spread(use, target, {n: u for n, u in uses.items() if n not in given})

    def _note_test(self, node: ast.expr, use: ParameterUse, parent: ast.AST) -> None:
        use.tested |= not (isinstance(parent, ast.UnaryOp) and not isinstance(parent.op, ast.Not))

    def _note_match(self, node: ast.expr, use: ParameterUse, match: ast.Match) -> None:
        patterns = [p.value for p in ast.walk(match) if isinstance(p, ast.MatchValue)]
        self._note_literals(use, patterns)

    def _require(self, node: ast.Assert | ast.If) -> None:
        """Remember a condition on one parameter: ``assert (depth - 4) % 6 == 0``."""
        test: ast.expr = node.test
        if isinstance(node, ast.If):
            if not (node.body and isinstance(node.body[0], ast.Raise)):
                return
            test = ast.UnaryOp(ast.Not(), test)
        for name in _free_names(test):
            use = self.values.known.get(name)
            if use is not None and is_condition_of(test, name):
                use.conditions.append((test, name))


_NOTES: dict[type[ast.AST], tuple[Any, ...]] = {
    ast.Call: (Interpreter._note_call,),
    ast.Attribute: (Interpreter._note_method,),
    ast.BinOp: (Interpreter._note_operation,),
    ast.Compare: (Interpreter._note_comparison,),
    ast.Subscript: (Interpreter._note_lookup,),
    ast.For: (Interpreter._note_iteration,),
    ast.comprehension: (Interpreter._note_iteration,),
    ast.Starred: (Interpreter._note_star,),
    ast.keyword: (Interpreter._note_keyword,),
    ast.If: (Interpreter._note_test,),
    **dict.fromkeys((ast.IfExp, ast.UnaryOp, ast.BoolOp), (Interpreter._note_test,)),
    ast.Match: (Interpreter._note_match,),
}
"""What each kind of expression around a value tells."""


def _is_tested_before(node: ast.expr, around: ast.AST | None) -> bool:
    """True in ``d() if isfunction(d) else d``: what is no function is taken, too."""
    if not isinstance(around, ast.IfExp):
        return False
    tests = [n for n in ast.walk(around.test) if isinstance(n, ast.Call)]
    same = ast.dump(node)
    return any(ast.dump(argument) == same for test in tests for argument in test.args)


def _free_names(node: ast.expr) -> Iterator[str]:
    yield from dict.fromkeys(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
