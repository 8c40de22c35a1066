"""Reads one function body: what each expression around a value tells about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from bnlint.models.evidence.bodies import Function
from bnlint.models.evidence.callees import Inside, bound, is_layer, resolved
from bnlint.models.evidence.uses import ParameterUse, is_condition_of
from bnlint.models.lexicon import TENSORS
from bnlint.models.outline import called

_WORD = frozenset({"lower", "upper", "startswith", "endswith", "strip", "split", "replace"})
_SEQUENCE = frozenset({"append", "index", "insert", "extend", "reverse", "count"})
_MAPPING = frozenset({"items", "keys", "values"})
_TENSOR = frozenset({"size", "dim", "unsqueeze", "float", "detach", "cuda", "numpy"})
_TENSOR_FIELDS = frozenset({"shape", "ndim", "dtype", "T"})
_MODULE = frozenset({"parameters", "children", "named_parameters", "named_children", "modules"})
_SAME = frozenset({"lower", "upper", "strip", "copy"})
_METHODS = _WORD | _SEQUENCE | _MAPPING | _TENSOR | _MODULE | _SAME | {"get", "pop", "setdefault"}
_OF_SEQUENCES = frozenset(
    {"len", "enumerate", "zip", "list", "tuple", "sum", "sorted", "reversed", "iter", "set", "map"}
)
_OF_NUMBERS = frozenset({"range", "int", "float", "abs", "round", "divmod", "pow"})
_TAKE_TENSORS = frozenset({"from_pretrained", "from_numpy", "as_tensor", "register_buffer"})
_TAKE_SIZES = frozenset({*TENSORS, "sqrt", "log", "log2", "eye", "full"})
_COPIES = frozenset({"list", "tuple", "int", "float", "str", "bool", "deepcopy", "copy"})


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
        self.known, self.inside, self.follow, self.running = known, inside, follow, running
        self.parents: dict[ast.AST, ast.AST] = {}
        self.tables: dict[str, ast.expr] = {}

    def read(self, body: Function) -> None:
        """Note what the body does with the known values, and what it calls them."""
        for node in ast.walk(body):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        for _ in range(2):  # names of names
            for node in ast.walk(body):
                self._bind(node)
        for node in ast.walk(body):
            if isinstance(node, ast.expr):
                self._look_at(node)
            elif isinstance(node, (ast.Assert, ast.If)):
                self._require(node)

    def use_of(self, node: ast.AST) -> ParameterUse | None:
        """The use of the value that an expression is, or that is a field or an item of it."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if isinstance(node, ast.Attribute):
            if self._is_own(node.value):
                return self.known.get(f"self.{node.attr}")
            owner = self.use_of(node.value)
            plain = node.attr in _METHODS or node.attr in _TENSOR_FIELDS
            return None if owner is None or plain else owner.at(node.attr)
        if isinstance(node, ast.Subscript):
            return self._entry(node)
        if isinstance(node, ast.Call):
            return self._copied(node)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            return self.use_of(node.values[0])
        return None

    def _is_own(self, node: ast.expr) -> bool:
        return self.inside is not None and isinstance(node, ast.Name) and node.id == self.inside.own

    def _entry(self, node: ast.Subscript) -> ParameterUse | None:
        owner = self.use_of(node.value)
        if owner is None or isinstance(node.slice, ast.Slice):
            return owner
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(index, str):
            return owner.at(index)
        return owner.item()

    def _copied(self, node: ast.Call) -> ParameterUse | None:
        """The use of what a call returns as it is: ``list(x)``, ``x.lower()``, ``x.get("key")``."""
        func, args = node.func, node.args
        if isinstance(func, ast.Name):
            if func.id == "getattr" and len(args) > 1 and isinstance(args[1], ast.Constant):
                owner = self.use_of(args[0])
                return None if owner is None else _field(owner, args[1].value, len(args) > 2)
            return self.use_of(args[0]) if func.id in _COPIES and len(args) == 1 else None
        if isinstance(func, ast.Attribute) and (owner := self.use_of(func.value)) is not None:
            if func.attr in _SAME:
                return owner
            if func.attr in ("get", "pop") and args and isinstance(args[0], ast.Constant):
                optional = len(args) > 1 or func.attr == "get"
                return _field(owner, args[0].value, optional)
        return None

    def _bind(self, node: ast.AST) -> None:
        """Remember which names hold known values, and literal dicts and lists."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind_target(target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            self._bind_target(node.target, node.value)
        elif isinstance(node, (ast.For, ast.comprehension)):
            self._bind_items(node.target, node.iter)
        elif isinstance(node, ast.Call) and called(node) == "save_hyperparameters":
            self._bind_hyperparameters(node)

    def _bind_hyperparameters(self, call: ast.Call) -> None:
        """Lightning keeps one settings object, or all parameters, as ``self.hparams``."""
        use = self.use_of(call.args[0]) if call.args else None
        if use is None and not call.args:
            use = ParameterUse(fields={n: u for n, u in self.known.items() if "." not in n})
        if use is not None:
            self.known.setdefault("self.hparams", use)

    def _bind_target(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
                for one, part in zip(target.elts, value.elts, strict=True):
                    self._bind_target(one, part)
            elif (use := self.use_of(value)) is not None:
                use.sequence, use.items = True, max(use.items, len(target.elts))
                use.exact = not any(isinstance(e, ast.Starred) for e in target.elts)
                for one in target.elts:
                    self._name(one, use.item())
            return
        if (use := self.use_of(value)) is not None:
            self._name(target, use)
        elif isinstance(value, (ast.Dict, ast.List, ast.Tuple)) and isinstance(target, ast.Name):
            self.tables[target.id] = value

    def _bind_items(self, target: ast.expr, iterated: ast.expr) -> None:
        call = iterated if isinstance(iterated, ast.Call) else ast.Call(iterated, [], [])
        name, args = ("", []) if call is not iterated else (called(call), call.args)
        if name == "enumerate" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
            self._bind_items(target.elts[1], args[0] if args else iterated)
        elif name == "zip" and isinstance(target, ast.Tuple):
            for one, part in zip(target.elts, args, strict=False):
                self._bind_items(one, part)
        elif name in ("reversed", "sorted", "list", "tuple") and args:
            self._bind_items(target, args[0])
        elif (use := self.use_of(iterated)) is not None:
            self._bind_item(target, use.item())

    def _bind_item(self, target: ast.expr, item: ParameterUse) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            item.sequence, item.items, item.exact = True, len(target.elts), True
            for number, one in enumerate(target.elts):
                name = one.id if isinstance(one, ast.Name) else ""
                self._name(one, item.part(number, name))
        else:
            self._name(target, item)

    def _name(self, target: ast.expr, use: ParameterUse) -> None:
        if isinstance(target, ast.Name):
            key = target.id
        elif isinstance(target, ast.Attribute) and self._is_own(target.value):
            key = f"self.{target.attr}"
        else:
            return
        known = self.known.setdefault(key, use)
        if known is not use and key.startswith("self."):
            return

    def _look_at(self, node: ast.expr) -> None:
        use, parent = self.use_of(node), self.parents.get(node)
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
        owner = self.use_of(node.value)
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
            return
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in _OF_SEQUENCES and not (name in ("list", "set", "tuple") and use.word):
            use.sequence = True
        elif name in _OF_NUMBERS:
            use.number = True
            use.fraction |= name == "float"
            use.whole |= name == "range"
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
            _field(use, call.args[1].value, True)

    def _note_argument(self, node: ast.expr, use: ParameterUse, call: ast.Call) -> None:
        """What is known of the parameter that takes the value."""
        uses, parameters, target = self.follow.passed(call, self.inside, self.follow.names)
        for name, value in bound(call, parameters):
            if value is not node:
                continue
            if is_layer(target):
                use.role = use.role if use.role[0] else (name, target.__name__)
            elif name in uses:
                use.add(uses[name])
        last = called(call)
        use.number |= last in _TAKE_SIZES
        use.whole |= last in ("log2", *TENSORS)
        use.tensor |= last in _TAKE_TENSORS

    def _note_method(self, node: ast.expr, use: ParameterUse, attribute: ast.Attribute) -> None:
        name = attribute.attr
        use.word |= name in _WORD
        use.sequence |= name in _SEQUENCE
        use.mapping |= name in _MAPPING
        use.tensor |= name in _TENSOR_FIELDS or (name in _TENSOR and not use.fields)
        use.module |= name in _MODULE

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
            node = self.tables.get(node.id, node)
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
            if isinstance(value, str) or (isinstance(value, (int, float)) and value not in (0, 1)):
                use.literals += [value] if value not in use.literals else []
            use.word |= isinstance(value, str)

    def _note_lookup(self, node: ast.expr, use: ParameterUse, lookup: ast.Subscript) -> None:
        """``{"relu": nn.ReLU}[x]`` and ``TABLE[x]`` want one of the keys."""
        if lookup.slice is node:
            table = lookup.value
            if isinstance(table, ast.Name):
                table = self.tables.get(table.id, table)
            known = resolved(table, self.follow.names)
            if isinstance(table, ast.Dict) or isinstance(known, dict):
                self._note_literals(use, self._entries(table))
            else:
                use.number |= isinstance(table, (ast.List, ast.Tuple))

    def _note_iteration(
        self, node: ast.expr, use: ParameterUse, loop: ast.For | ast.comprehension
    ) -> None:
        use.sequence |= loop.iter is node

    def _note_star(self, node: ast.expr, use: ParameterUse, parent: ast.AST) -> None:
        use.sequence = True

    def _note_keyword(self, node: ast.expr, use: ParameterUse, keyword: ast.keyword) -> None:
        call = self.parents.get(keyword)
        if keyword.arg is None:
            use.mapping = use.spread = True
        elif isinstance(call, ast.Call):
            self._note_argument(node, use, call)

    def _note_test(self, node: ast.expr, use: ParameterUse, parent: ast.AST) -> None:
        use.tested = True

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
            use = self.known.get(name)
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
    ast.IfExp: (Interpreter._note_test,),
    ast.Match: (Interpreter._note_match,),
}
"""What each kind of expression around a value tells."""


def _field(owner: ParameterUse, name: Any, optional: bool) -> ParameterUse | None:
    if not isinstance(name, str):
        return None
    fresh = name not in owner.fields
    use = owner.at(name)
    use.optional = optional if fresh else use.optional and optional
    return use


def _is_tested_before(node: ast.expr, around: ast.AST | None) -> bool:
    """True in ``d() if isfunction(d) else d``: what is no function is taken, too."""
    if not isinstance(around, ast.IfExp):
        return False
    tests = [n for n in ast.walk(around.test) if isinstance(n, ast.Call)]
    same = ast.dump(node)
    return any(ast.dump(argument) == same for test in tests for argument in test.args)


def _free_names(node: ast.expr) -> Iterator[str]:
    yield from dict.fromkeys(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
