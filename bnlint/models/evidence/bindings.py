"""Which names of a function hold the values whose uses are noted."""

from __future__ import annotations

import ast
from typing import Any

from bnlint.models.evidence.callees import Inside
from bnlint.models.evidence.merged_settings import filled_by, merged_in
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.outline import called

WORD = frozenset({"lower", "upper", "startswith", "endswith", "strip", "split", "replace"})
SEQUENCE = frozenset({"append", "index", "insert", "extend", "reverse", "count"})
MAPPING = frozenset({"items", "keys", "values"})
TENSOR = frozenset({"size", "dim", "unsqueeze", "float", "detach", "cuda", "numpy"})
ARRAY = frozenset({"astype", "tolist"})
MODULE = frozenset({"parameters", "children", "named_parameters", "named_children", "modules"})
TENSOR_FIELDS = frozenset({"shape", "ndim", "dtype", "T"})
"""Methods of words, lists, dicts, tensors, arrays and modules, and attributes of tensors."""

_SAME = frozenset({"lower", "upper", "strip", "copy"})
_METHODS = (
    WORD | SEQUENCE | MAPPING | TENSOR | ARRAY | MODULE | _SAME | {"get", "pop", "setdefault"}
)
_COPIES = frozenset(
    {"list", "tuple", "dict", "int", "float", "str", "bool", "deepcopy", "copy", "OrderedDict"}
)


class Bindings:
    """The values in ``known``, by the name or ``self.name`` that holds them, and literal tables."""

    def __init__(self, known: dict[str, ParameterUse], inside: Inside | None) -> None:
        self.known, self.inside = known, inside
        self.tables: dict[str, ast.expr] = {}

    def use_of(self, node: ast.AST) -> ParameterUse | None:
        """The use of the value that an expression is, or that is a field or an item of it."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if isinstance(node, ast.Attribute):
            if self._is_own(node.value):
                return self.known.get(f"self.{node.attr}")
            owner = self.use_of(node.value)
            plain = node.attr in _METHODS or node.attr in TENSOR_FIELDS
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
                return None if owner is None else field_of(owner, args[1].value, len(args) > 2)
            return self.use_of(args[0]) if func.id in _COPIES and len(args) == 1 else None
        if isinstance(func, ast.Attribute) and func.attr == "deepcopy" and len(args) == 1:
            return self.use_of(args[0])
        if isinstance(func, ast.Attribute) and (owner := self.use_of(func.value)) is not None:
            if func.attr in _SAME:
                return owner
            if func.attr in ("get", "pop") and args and isinstance(args[0], ast.Constant):
                optional = len(args) > 1 or func.attr == "get"
                return field_of(owner, args[0].value, optional)
        return None

    def bind(self, node: ast.AST) -> None:
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
        elif isinstance(node, ast.Call) and (filled := filled_by(node)) is not None:
            self._bind_merged(*filled)

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
        for given in merged_in(value):
            self._bind_merged(target, given)
        if (use := self.use_of(value)) is not None:
            self._name(target, use)
        elif isinstance(value, (ast.Dict, ast.List, ast.Tuple)) and isinstance(target, ast.Name):
            self.tables[target.id] = value

    def _bind_merged(self, target: ast.expr, given: ast.expr) -> None:
        if (use := self.use_of(given)) is not None:
            use.defaulted = True
            self._name(target, use)

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


def field_of(owner: ParameterUse, name: Any, optional: bool) -> ParameterUse | None:
    """The use of an attribute or a key; ``optional`` where it has a default."""
    if not isinstance(name, str):
        return None
    fresh = name not in owner.fields
    use = owner.at(name)
    use.optional = optional if fresh else use.optional and optional
    return use
