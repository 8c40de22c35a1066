"""Whether the source of a function can still read a value: what may happen to an expression.

Control flow is followed, not decided: both sides of an ``if`` may run, a loop any number of times.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bnlint.models.reading.flow_syntax import (
    LOOPS,
    binds,
    closing,
    following,
    handed_on,
    is_load,
    reads_name,
    unpacked,
)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp)
_DISPLAYS = (ast.Tuple, ast.List, ast.Set, ast.Dict)
_SHOWING = frozenset(("print", "debug", "info", "log"))
"""Calls that show a value and keep nothing of it."""
_ALIASES = 8


class Fate(enum.Enum):
    """What the source does with a value: nothing at all, only return it, or anything else."""

    DROPPED = "dropped"
    RETURNED = "returned"
    USED = "used"


@dataclass(slots=True)
class Outlook:
    """What may happen to a name: how it is read, and whether the end is reached with it alive."""

    reads: set[Fate] = field(default_factory=set)
    alive: bool = True

    def then(self, other: Outlook) -> None:
        """Add what happens next."""
        self.reads |= other.reads
        self.alive = other.alive


class FunctionSource:
    """The source of one function, with the node around each node."""

    def __init__(self, tree: ast.AST) -> None:
        self._nodes = list(ast.walk(tree))
        self._around = {c: n for n in self._nodes for c in ast.iter_child_nodes(n)}
        self._at: dict[tuple[int | None, ...], ast.expr] = {}
        for node in self._nodes:
            if isinstance(node, ast.expr):
                span = node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
                self._at.setdefault(span, node)
        self._fates: dict[tuple[ast.expr, bool], Fate] = {}

    def expression(self, span: tuple[int | None, ...]) -> ast.expr | None:
        """The expression at a span, given as line, last line, column and last column."""
        return self._at.get(span)

    def is_in_loop(self, node: ast.AST) -> bool:
        """Whether a loop of this function runs the node."""
        return self.loop_line(node) > 0

    def loop_line(self, node: ast.AST) -> int:
        """The line of the innermost loop of this function that runs the node; 0 for none."""
        holder = self._around.get(node)
        while holder is not None and not isinstance(holder, (*LOOPS, *_FUNCTIONS)):
            holder = self._around.get(holder)
        return getattr(holder, "lineno", 0) if isinstance(holder, LOOPS) else 0

    def fate(self, node: ast.expr, repeated: bool = False) -> Fate:
        """What may happen to the value of an expression in this function.

        ``repeated`` is true if the loop around it is known to go on after it.
        """
        known = self._fates.get((node, repeated))
        if known is None:
            known = self._fates[node, repeated] = self._found_fate(node, repeated)
        return known

    def _found_fate(self, node: ast.expr, repeated: bool) -> Fate:
        node = self._whole(node)
        holder = self._around.get(node)
        if isinstance(holder, ast.Expr):
            return Fate.DROPPED
        if isinstance(holder, (ast.Return, ast.Lambda)):
            return Fate.RETURNED
        if isinstance(holder, _DISPLAYS):
            return self._fate_in_display(node, holder, repeated)
        if isinstance(holder, (ast.Assign, ast.AnnAssign)) and node is holder.value:
            targets = holder.targets if isinstance(holder, ast.Assign) else [holder.target]
            return self._fate_of_targets(holder, targets, repeated)
        return Fate.USED

    def _whole(self, node: ast.expr) -> ast.expr:
        """The widest expression whose value is that of ``node``, or holds nothing else."""
        while (holder := self._around.get(node)) is not None:
            chosen = isinstance(holder, ast.IfExp) and node is not holder.test
            collected = isinstance(holder, _COMPREHENSIONS) and node is holder.elt
            if not (chosen or collected or isinstance(holder, ast.Await)):
                break
            assert isinstance(holder, ast.expr)
            node = holder
        return node

    def _fate_in_display(self, node: ast.expr, display: ast.AST, repeated: bool) -> Fate:
        """An element of ``a, b = one(x), two(x)``, or of what is returned."""
        assert isinstance(display, ast.expr)
        holder = self._around.get(self._whole(display))
        if isinstance(holder, ast.Return):
            return Fate.RETURNED
        if isinstance(holder, ast.Assign) and isinstance(display, ast.Tuple):
            names = holder.targets[0]
            if isinstance(names, ast.Tuple) and len(names.elts) == len(display.elts):
                target = names.elts[display.elts.index(node)]
                return self._fate_of_targets(holder, [target], repeated)
        return Fate.USED

    def _fate_of_targets(
        self, statement: ast.stmt, targets: Sequence[ast.expr], repeated: bool
    ) -> Fate:
        plain = [t for target in targets for t in unpacked(target)]
        if not all(isinstance(t, ast.Name) for t in plain):
            return Fate.USED  # an attribute or an element of something keeps it
        reads: set[Fate] = set()
        for target in plain:
            assert isinstance(target, ast.Name)
            reads |= self._after(statement, target.id, _ALIASES, repeated)
        return Fate.USED if Fate.USED in reads else next(iter(reads), Fate.DROPPED)

    def _after(
        self, statement: ast.stmt, name: str, aliases: int, repeated: bool = False
    ) -> set[Fate]:
        """How a name may be read after a statement that binds it."""
        if not aliases or self._is_shared(name):
            return {Fate.USED}
        flow = _NameFlow(self, name, aliases)
        found = Outlook()
        child: ast.AST = statement
        while found.alive and not isinstance(child, _FUNCTIONS):
            holder = self._around.get(child)
            if holder is None:
                break
            found.then(flow.block(following(holder, child)))
            if found.alive and isinstance(holder, LOOPS):
                again = flow.again(holder)
                found.then(again if repeated else Outlook(again.reads))
                repeated = False
                if not found.alive:
                    break
            if any(reads_name(node, name) for node in closing(holder)):
                found.reads.add(Fate.USED)
            child = holder
        return found.reads

    def _is_shared(self, name: str) -> bool:
        """Whether code outside of the flow of statements may read the name."""
        for node in self._nodes:
            if isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names:
                return True
            if isinstance(node, ast.Name) and node.id in ("locals", "vars", "eval", "exec"):
                return True
        inner = [n for n in self._nodes if isinstance(n, _FUNCTIONS) and self._is_inner(n)]
        return any(reads_name(n, name) for n in inner)

    def _is_inner(self, function: ast.AST) -> bool:
        holder = self._around.get(function)
        while holder is not None and not isinstance(holder, _FUNCTIONS):
            holder = self._around.get(holder)
        return holder is not None

    def is_only_appended_to(self, container: str) -> bool:
        """Whether nothing reads a local list, apart from adding to it."""
        loads = [n for n in self._nodes if is_load(n, container)]
        return not self._is_shared(container) and all(
            isinstance(above := self._around.get(n), ast.Attribute) and above.attr == "append"
            for n in loads
        )

    def outlook_of_alias(self, statement: ast.stmt, name: str, aliases: int) -> set[Fate]:
        """How another name for the same value may be read after the statement that binds it."""
        return self._after(statement, name, aliases - 1)


@dataclass(frozen=True, slots=True)
class _NameFlow:
    """Follows one name through statements."""

    source: FunctionSource
    name: str
    aliases: int

    def block(self, statements: Iterable[ast.stmt]) -> Outlook:
        found = Outlook()
        for statement in statements:
            if not found.alive:
                break
            found.then(self._statement(statement))
        return found

    def again(self, loop: ast.AST) -> Outlook:
        """What the next round of a loop does with the name."""
        assert isinstance(loop, LOOPS)
        head = loop.test if isinstance(loop, ast.While) else None
        if head is not None and reads_name(head, self.name):
            return Outlook({Fate.USED})
        if head is None and binds(loop.target, self.name):  # type: ignore[union-attr]
            return Outlook()
        return self.block(loop.body)

    def _statement(self, node: ast.stmt) -> Outlook:
        match node:
            case ast.Return(value=value):
                return Outlook(self._returned(value), alive=False)
            case ast.Assign() | ast.AnnAssign():
                return self._assignment(node)
            case ast.Expr(value=ast.Call() as call):
                return Outlook(self._call(call))
            case ast.If():
                sides = self.block(node.body), self.block(node.orelse)
                return self._joined(node.test, sides)
            case ast.For() | ast.AsyncFor():
                return self._joined(node.iter, (self.block(node.body), Outlook()))
            case ast.While():
                return self._joined(node.test, (self.block(node.body), Outlook()))
            case ast.With() | ast.AsyncWith():
                heads = {Fate.USED} if any(reads_name(i, self.name) for i in node.items) else set()
                found = self.block(node.body)
                return Outlook(heads | found.reads, found.alive)
            case ast.AugAssign(target=ast.Name(id=self.name)):
                return Outlook({Fate.USED})
            case ast.Assert():
                return Outlook()  # checks the value and keeps nothing of it
        reads = {Fate.USED} if reads_name(node, self.name) else set()
        ends = isinstance(node, ast.Raise) or (isinstance(node, ast.Delete) and bool(reads))
        return Outlook(reads, not ends)

    def _joined(self, head: ast.expr, sides: Sequence[Outlook]) -> Outlook:
        reads = set().union(*(side.reads for side in sides))
        if reads_name(head, self.name):
            reads.add(Fate.USED)
        return Outlook(reads, any(side.alive for side in sides))

    def _returned(self, value: ast.expr | None) -> set[Fate]:
        if value is None or not reads_name(value, self.name):
            return set()
        parts = [part for part in handed_on(value) if reads_name(part, self.name)]
        plain = all(is_load(part, self.name) for part in parts)
        return {Fate.RETURNED if plain else Fate.USED}

    def _assignment(self, node: ast.Assign | ast.AnnAssign) -> Outlook:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        bound = any(binds(target, self.name) for target in targets)
        read = node.value is not None and reads_name(node.value, self.name)
        read |= any(reads_name(target, self.name) for target in targets)
        if not read:
            return Outlook(alive=not bound)
        alias = targets[0]
        if is_load(node.value, self.name) and len(targets) == 1 and isinstance(alias, ast.Name):
            reads = self.source.outlook_of_alias(node, alias.id, self.aliases)
            return Outlook(reads, not bound)
        return Outlook({Fate.USED}, not bound)

    def _call(self, call: ast.Call) -> set[Fate]:
        """A call whose result is dropped: showing the value, or adding it to a list."""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        name = call.func.id if isinstance(call.func, ast.Name) else name
        if not reads_name(call, self.name) or name in _SHOWING:
            return set()
        if isinstance(call.func, ast.Attribute) and name == "append":
            holder = call.func.value
            if isinstance(holder, ast.Name) and self.source.is_only_appended_to(holder.id):
                return set()
        return {Fate.USED}
