"""Reads a forward statement by statement, with the methods and modules of the user that it calls.

Nothing is run. A name refers to an argument as long as it is not changed into something else;
``x = x.float()`` keeps it, ``x = torch.cat([x, y])`` is a mixture of two.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import nn

from bnlint.models.outline import names_read
from bnlint.models.reading.asserted import asserted, note_asserted
from bnlint.models.reading.axes import (
    AXES,
    JOINING,
    note_method,
    note_pattern,
    note_sides,
    rank_taken_by,
    sizes_of_new,
    terms_of,
)
from bnlint.models.reading.forward_code import (
    Function,
    forward_of,
    function_tree,
    helper_of,
    method_of,
    names_around,
    parameters_of,
    required_of,
)
from bnlint.models.reading.handed_on import note_choice, spread_items
from bnlint.models.reading.scope import TENSOR_NAMES, Namespace, constant
from bnlint.models.reading.use import Use

_DEPTH = 4
"""Forwards and methods inside each other that are read, if there are several arguments to tell."""


def read_forward(model: nn.Module) -> dict[str, Use]:
    """The evidence about each parameter of the model's forward, by name.

    Of an only argument, the forward itself and what it calls say enough.
    """
    forward = forward_of(model)
    if forward is None:
        return {}
    uses = {name: Use() for name in parameters_of(forward)}
    for spread in filter(None, (forward.args.vararg, forward.args.kwarg)):
        uses[spread.arg] = Use()
    scope = Namespace(model, dict(uses), around=names_around(type(model).forward))
    _Reader(scope, _DEPTH if len(uses) > 1 else 1).block(forward.body)
    return uses


@dataclass(slots=True)
class _Reader:
    """Reads the body of one function and notes what it does with the arguments."""

    scope: Namespace
    depth: int

    # --- statements ---

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Read statements in their order."""
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        for equation in asserted(node):
            note_asserted(self.scope, equation)
        match node:
            case ast.Assign(targets=[target], value=value):
                self._expression(value)
                if isinstance(target, ast.Subscript):
                    self._note_bounds(target.slice)
                self.scope.assign(target, value)
            case ast.For(target=target, iter=source, body=body):
                self._expression(source)
                self.scope.loop(target, source)
                self.block(body)
            case ast.If(test=test, body=body) | ast.While(test=test, body=body):
                self._test(test)
                self.block((*body, *node.orelse))
            case ast.Assert(test=test):
                self._test(test)
            case ast.AugAssign(target=target, value=value):
                self._parts(node)
                self._calculates(target, value)
            case ast.FunctionDef() | ast.ClassDef():
                return
            case _:
                self._parts(node)

    def _parts(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._expression(child)
            elif isinstance(child, ast.stmt):
                self._statement(child)
            elif isinstance(child, (ast.withitem, ast.excepthandler)):
                self._parts(child)

    def _test(self, node: ast.expr) -> None:
        """A condition: arguments in it are flags, or compared with literals."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._test(operand)
            case ast.BoolOp(values=values):
                for value in values:
                    self._test(value)
            case ast.Compare(left=left, comparators=[right]):
                value, use = constant(right), self.scope.use(left)
                if use is not None and type(value) in (int, float):
                    use.literals.append(value)
                elif use is not None and isinstance(value, bool):
                    use.flag = use.guarded = True
                self._expression(node)
            case _:
                if (use := self.scope.use(node)) is not None:
                    use.flag = use.guarded = True
                self._expression(node)

    # --- expressions ---

    def _expression(self, node: ast.expr) -> None:
        parts = list(ast.walk(node))
        for part in parts:
            if isinstance(part, ast.comprehension):  # its names are used before it is reached
                self.scope.loop(part.target, part.iter)
        for part in parts:
            self._part(part)

    def _part(self, node: ast.AST) -> None:
        match node:
            case ast.Call():
                self._call(node)
            case ast.Subscript():
                self._index(node)
            case ast.Compare():
                self._compare(node)
            case ast.IfExp(test=test):
                self._test(test)
            case ast.Attribute(value=value, attr=attr):
                self._attribute(value, attr)
            case ast.BinOp(left=left, right=right):
                self._calculates(left, right)

    def _calculates(self, *operands: ast.expr) -> None:
        for use in filter(None, map(self.scope.use, operands)):
            use.functions.append(("arithmetic", 0))

    def _attribute(self, value: ast.expr, attr: str) -> None:
        use = self.scope.use(value) if attr in TENSOR_NAMES else None
        if use is not None and not hasattr(dict, attr):
            use.tensor = True
            use.complex |= attr in ("real", "imag")

    def _compare(self, node: ast.Compare) -> None:
        for side, other in ((node.left, node.comparators[0]), (node.comparators[0], node.left)):
            use = self.scope.use(side)
            if use is None:
                continue
            if isinstance(node.ops[0], (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
                use.guarded |= constant(other, "") is None
            options = other.elts if isinstance(other, (ast.Tuple, ast.List, ast.Set)) else [other]
            use.literals += [v for v in map(constant, options) if isinstance(v, str)]

    def _index(self, node: ast.Subscript) -> None:
        self._note_bounds(node.slice)
        axis = constant(node.slice)
        if (shaped := self.scope.shape_of(node.value)) is not None:
            if type(axis) is int:
                shaped.has_axis(axis)
            elif isinstance(node.slice, ast.Slice):
                note_sides(shaped, node.slice)
            return
        use = self.scope.use(node.value)
        if use is None:
            note_choice(self.scope, node)
            return
        if isinstance(node.slice, ast.Tuple):
            use.tensor = True
            indices = (constant(part, "index") for part in node.slice.elts)
            use.least_rank = max(use.least_rank, sum(i not in (None, ...) for i in indices))
        elif isinstance(node.slice, (ast.Name, ast.BinOp)):
            names = names_read(node.slice)
            use.iterated |= bool(names & self.scope.counters.keys())
        elif not isinstance(node.slice, (ast.Constant, ast.UnaryOp, ast.Slice)):
            use.tensor = True

    def _note_bounds(self, index: ast.expr) -> None:
        """``cache[:, start : start + n]``: numbers that are 0 at the beginning of a sequence.

        ``table[rows, y]`` looks up elements, if they are tensors.
        """
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        for use in filter(None, map(self.scope.use, parts)):
            use.functions.append(("subscript", 1))
        for part in (p for p in parts if isinstance(p, ast.Slice)):
            for bound in filter(None, (part.lower, part.upper)):
                for use in filter(None, map(self.scope.use, terms_of(bound))):
                    use.offset |= part.lower is bound
                    use.counts = True

    # --- calls ---

    def _call(self, node: ast.Call) -> None:
        module, name = self.scope.module(node.func), _name(node.func)
        self._count_sizes(name, node.args)
        if module is not None and module is not self.scope.owner:
            self._call_module(module, node)
            return
        if isinstance(node.func, ast.Attribute):
            if (use := self.scope.use(node.func.value)) is not None:
                note_method(use, name, node.args)
                return
            if (holder := self.scope.module(node.func.value)) is not None:
                self._call_method(holder, name, node)
        elif helper := helper_of(self.scope.around, name):
            inner = Namespace(self.scope.owner, around=names_around(helper))
            self._enter(inner, function_tree(helper), node, bound=False)
        for place, use in self._passed(node):
            use.functions.append((name, place))
            use.counts |= name == "range"
            use.complex |= name == "view_as_real"
            use.iterated |= name in JOINING and place in (0, "tensors")
            if name == "pack_padded_sequence" and place in (1, "lengths"):
                use.time_first = not self._flag(node, "batch_first", 2)
            if place == 0 and name in (*AXES, "permute"):  # torch.transpose(x, 1, 2)
                note_method(use, name, node.args[1:])
        note_pattern(self.scope, name, node.args)

    def _flag(self, node: ast.Call, name: str, place: int) -> bool:
        """The truth of an argument: a literal, or an attribute of the module."""
        given = [*node.args[place : place + 1], *(k.value for k in node.keywords if k.arg == name)]
        if given and isinstance(given[0], ast.Attribute):
            return bool(getattr(self.scope.module(given[0].value), given[0].attr, False))
        return bool(given and constant(given[0]))

    def _count_sizes(self, name: str, arguments: list[ast.expr]) -> None:
        for size in sizes_of_new(name, arguments):
            for use in filter(None, map(self.scope.use, terms_of(size))):
                use.counts = True

    def _call_module(self, module: nn.Module, node: ast.Call) -> None:
        for place, use in self._passed(node):
            use.readers.append((module, place))
            if place == 0 and (rank := rank_taken_by(module)):
                use.has_rank(rank)
        if node.args and self.scope.use(node.args[0]) is None:
            for use in self.scope.sources(node.args[0]):
                use.mixers.append(module)
        self._enter_method(module, "forward", node)

    def _passed(self, node: ast.Call) -> Iterator[tuple[int | str, Use]]:
        """Arguments that a call passes on, each with its place; ``1.part`` inside a tuple."""
        for place, argument in enumerate(node.args):
            if (use := self.scope.use(argument)) is not None:
                yield place, use
            elif isinstance(argument, ast.Tuple):
                for use in filter(None, map(self.scope.use, argument.elts)):
                    yield f"{place}.part", use
        for keyword in node.keywords:
            if keyword.arg and (use := self.scope.use(keyword.value)) is not None:
                yield keyword.arg, use

    def _call_method(self, holder: nn.Module, name: str, node: ast.Call) -> None:
        """A method of the model or of a part; one that computes features reads what it takes."""
        if holder is not self.scope.owner and ("forward" in name or "feature" in name):
            for place, use in self._passed(node):
                use.readers.append((holder, place))
        self._enter_method(holder, name, node)

    def _enter_method(self, owner: nn.Module, name: str, node: ast.Call) -> None:
        around = names_around(getattr(type(owner), name, None))
        self._enter(Namespace(owner, around=around), method_of(owner, name), node)

    def _enter(
        self, inner: Namespace, function: Function | None, node: ast.Call, *, bound: bool = True
    ) -> None:
        """Read a function or method with the arguments that are passed to it."""
        if function is None or self.depth == 0:
            return
        parameters = parameters_of(function, bound=bound)
        pairs = [*zip(parameters, node.args, strict=False)]
        pairs += [(k.arg, k.value) for k in node.keywords if k.arg in parameters]
        inner.names |= spread_items(self.scope, node, required_of(function, bound=bound))
        for parameter, argument in pairs:
            if isinstance(argument, ast.Starred):
                break
            if (use := self.scope.use(argument)) is not None:
                inner.names[parameter] = use
            elif mixed := list(self.scope.sources(argument)):
                inner.mixtures[parameter] = mixed
        if inner.names or inner.mixtures:
            _Reader(inner, self.depth - 1).block(function.body)


def _name(func: ast.expr) -> str:
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""
