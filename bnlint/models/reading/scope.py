"""What the names and expressions of a forward refer to: arguments, mixtures of them, modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.models.lexicon import SAME_DATA
from bnlint.models.reading.forward_code import method_of, parameters_of
from bnlint.models.reading.use import Use

TENSOR_NAMES = frozenset(dir(torch.Tensor))


@dataclass(slots=True)
class Namespace:
    """The local names of one function, in the state after the statements read so far.

    ``names`` refer to an argument, ``mixtures`` were computed from arguments without a layer
    between, ``modules`` refer to a module, ``counters`` to the number of a round, with the argument
    whose items it counts, ``unbound`` to all pieces of an argument along an axis. ``owner`` is
    ``self``, ``around`` has the names of the file.
    """

    owner: nn.Module
    names: dict[str, Use] = field(default_factory=dict)
    mixtures: dict[str, list[Use]] = field(default_factory=dict)
    modules: dict[str, nn.Module] = field(default_factory=dict)
    counters: dict[str, Use | None] = field(default_factory=dict)
    unbound: dict[str, Use] = field(default_factory=dict)
    around: Mapping[str, Any] = field(default_factory=dict)

    # --- statements that bind names ---

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        """Note what ``target = value`` makes of the names in the target."""
        if isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, value)
        if not isinstance(target, ast.Name):
            return
        use, module, mixture = self.use(value), self.module(value), list(self.sources(value))
        pieces = self._pieces(value)
        self._forget(target.id)
        if pieces is not None:
            self.unbound[target.id] = pieces
        elif use is not None:
            self.names[target.id] = use
        elif module is not None:
            self.modules[target.id] = module
        elif mixture:
            self.mixtures[target.id] = mixture

    def loop(self, target: ast.expr, source: ast.expr) -> None:
        """Note what ``for target in source`` makes of the names in the target."""
        if not isinstance(source, ast.Call) or self._pieces(source) is not None:
            self._iterate(target, source)
            return
        name = source.func.id if isinstance(source.func, ast.Name) else ""
        first = target.elts[0] if isinstance(target, ast.Tuple) else target
        if name in ("range", "enumerate") and isinstance(first, ast.Name):
            self.counters[first.id] = self._counted(source)
        if name == "enumerate" and source.args and isinstance(target, ast.Tuple):
            self.loop(target.elts[-1], source.args[0])
        elif name == "zip" and isinstance(target, ast.Tuple):
            lists = (m for a in source.args if isinstance(m := self.module(a), nn.ModuleList))
            count = next(map(len, lists), None)
            for one, argument in zip(target.elts, source.args, strict=False):
                self._iterate(one, argument, count)
        elif name == "reversed" and source.args:
            self._iterate(target, source.args[0])

    def _counted(self, source: ast.Call) -> Use | None:
        """The argument whose items ``enumerate(x)`` or ``range(len(x))`` counts."""
        match source:
            case (
                ast.Call(func=ast.Name(id="enumerate"), args=[counted, *_])
                | ast.Call(
                    func=ast.Name(id="range"), args=[ast.Call(ast.Name(id="len"), args=[counted])]
                )
            ):
                return self.use(counted)
        return None

    def _unpack(self, targets: list[ast.expr], value: ast.expr) -> None:
        if isinstance(value, ast.Tuple) and len(value.elts) == len(targets):
            for target, part in zip(targets, value.elts, strict=True):
                self.assign(target, part)
            return
        starred = any(isinstance(t, ast.Starred) for t in targets)
        shaped, use = self.shape_of(value), self.use(value)
        self._name_items(targets, None if starred else use)
        if shaped is not None and not starred:
            shaped.has_rank(len(targets))

    def _name_items(self, targets: list[ast.expr], use: Use | None) -> None:
        """``image, (h, c) = inputs``; the names are forgotten where nothing is known of it."""
        for index, target in enumerate(targets):
            if isinstance(target, ast.Name):
                self._forget(target.id)
                if use is not None:
                    self.names[target.id] = use.item(index)
            elif isinstance(target, (ast.Tuple, ast.List)):
                self._name_items(target.elts, None if use is None else use.item(index))
        if use is not None:
            use.length = len(targets)

    def _iterate(self, target: ast.expr, source: ast.expr, count: int | None = None) -> None:
        if not isinstance(target, ast.Name):
            return
        if (piece := self._pieces(source)) is not None:
            self._forget(target.id)
            self.names[target.id] = piece
            return
        module = self.module(source)
        listed = isinstance(module, (nn.ModuleList, nn.Sequential))
        if module is not None and listed and (first := _item(module, 0)) is not None:
            self.modules[target.id] = first
        elif (use := self.use(source)) is not None:
            use.iterated, use.length = True, use.length or count
            self.names[target.id] = use.item(0)

    def _forget(self, name: str) -> None:
        self.names.pop(name, None)
        self.mixtures.pop(name, None)
        self.modules.pop(name, None)
        self.unbound.pop(name, None)

    def _pieces(self, node: ast.expr) -> Use | None:
        """What is known of each of ``torch.unbind(x, 1)``, or of what a name holds of the kind."""
        match node:
            case ast.Name(id=name):
                return self.unbound.get(name)
            case ast.Call(func=ast.Attribute(attr="unbind", value=value), args=args):
                given = [*args, *(k.value for k in node.keywords if k.arg == "dim")]
                if isinstance(value, ast.Name) and value.id == "torch":
                    value, *given = given or [value]
                axis, use = constant(given[0] if given else None, 0), self.use(value)
                return use.piece(axis) if use is not None and axis >= 0 else None
        return None

    def _piece(self, value: ast.expr, indices: list[ast.expr]) -> Use | None:
        """What is known of ``x[:, i]``, where ``i`` is a number."""
        use = self.use(value)
        places = [n for n, each in enumerate(indices) if not isinstance(each, ast.Slice)]
        if use is None or len(places) != 1:
            return None
        index = indices[places[0]]
        counted = isinstance(index, ast.Name) and index.id in self.counters
        return use.piece(places[0]) if counted or type(constant(index)) is int else None

    # --- expressions ---

    def use(self, node: ast.expr) -> Use | None:
        """The argument, or the item or attribute of one, that an expression refers to."""
        match node:
            case ast.Name(id=name):
                return self.names.get(name)
            case ast.Subscript(value=value, slice=ast.Tuple(elts=indices)):
                return self._piece(value, indices)
            case ast.Subscript(value=ast.Name(id=name)) if name in self.unbound:
                return self.unbound[name]
            case ast.Subscript(value=value, slice=index):
                key = constant(index)
                use = self.use(value) if type(key) in (int, str) else None
                return use.item(key) if use is not None else None
            case ast.Call(func=ast.Name(id="Variable"), args=[value, *_]):
                return self.use(value)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=method), args=given):
                return self._returned(method, given)
            case ast.Call(func=ast.Attribute(value=value, attr=method), args=args):
                use = self.use(value)
                return _called(use, method, args) if use is not None else None
            case ast.Attribute(value=value, attr=attr) if attr not in TENSOR_NAMES:
                use = self.use(value)
                return use.attribute(attr) if use is not None else None
        return None

    def _returned(self, method: str, given: list[ast.expr]) -> Use | None:
        """The dict that an own method returns as it got it, or with more in it."""
        function = method_of(self.owner, method)
        if function is None:
            return None
        returned = {
            name
            for node in ast.walk(function)
            if isinstance(node, ast.Return)
            for name in _kept(node)
        }
        for name, argument in zip(parameters_of(function), given, strict=False):
            if name in returned and (use := self.use(argument)) is not None and use.keys:
                return use
        return None

    def module(self, node: ast.expr) -> nn.Module | None:
        """The module that an expression refers to."""
        match node:
            case ast.Name(id=name):
                return self.owner if name == "self" else self.modules.get(name)
            case ast.Attribute(value=value, attr=attr):
                holder = self.module(value)
                found = getattr(holder, attr, None) if holder is not None else None
                return found if isinstance(found, nn.Module) else None
            case ast.Subscript(value=value, slice=index):
                holder = self.module(value)
                return _item(holder, constant(index)) if holder is not None else None
        return None

    def sources(self, node: ast.expr) -> Iterator[Use]:
        """The arguments that an expression is computed from without a module between."""
        if isinstance(node, ast.Call) and self.module(node.func) not in (None, self.owner):
            return
        if (use := self.use(node)) is not None:
            yield use
            return
        if isinstance(node, ast.Name):
            yield from self.mixtures.get(node.id, ())
        for child in ast.iter_child_nodes(node):
            part = child.value if isinstance(child, ast.keyword) else child
            if isinstance(part, ast.expr):
                yield from self.sources(part)

    def shape_of(self, node: ast.expr) -> Use | None:
        """The argument whose whole shape an expression is."""
        match node:
            case ast.Attribute(value=value, attr="shape"):
                return self.use(value)
            case ast.Call(func=ast.Attribute(value=value, attr="size"), args=[], keywords=[]):
                return self.use(value)
        return None


def constant(node: ast.expr | None, default: Any = None) -> Any:
    """The value of a literal, or of a negative number."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = constant(node.operand)
        return -value if isinstance(value, (int, float)) else default
    return node.value if isinstance(node, ast.Constant) else default


def _kept(node: ast.Return) -> Iterator[str]:
    """The names of what is returned, or of what the returned dict is made of."""
    parts = [node.value]
    if isinstance(node.value, ast.Dict):
        parts = [v for k, v in zip(node.value.keys, node.value.values, strict=True) if k is None]
    yield from (part.id for part in parts if isinstance(part, ast.Name))


def _called(use: Use, method: str, args: list[ast.expr]) -> Use | None:
    """The same data after ``x.float()``, the item of ``batch.get("image")``."""
    if method in ("get", "pop") and args:
        key = constant(args[0])
        if not isinstance(key, str):
            return None
        item = use.item(key)
        item.guarded |= method == "get" or len(args) > 1
        return item
    if method in SAME_DATA:
        use.tensor = True
        return use
    return None


def _item(holder: nn.Module, key: Any) -> nn.Module | None:
    """The part of a list or dict of modules; the first one if the index is no literal.

    By its place, since ``add_module`` gives parts of a list any names.
    """
    parts = list(holder.children()) if isinstance(holder, _HOLDERS) else []
    if type(key) is int and -len(parts) <= key < len(parts):
        return parts[key]
    return parts[0] if parts else None


_HOLDERS = (nn.ModuleList, nn.Sequential, nn.ModuleDict)
