"""Inputs that are written in the source: by the model itself, or where the model is called."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import ModelRef
from bnlint.domain.objects import home_of
from bnlint.loading.parsing import Source
from bnlint.loading.sites import file_of, is_local
from bnlint.models import lexicon
from bnlint.models.guessing.guess import Guess, Origin, emptied, empty
from bnlint.models.meta.known_numbers import hollow
from bnlint.models.nested import tensors
from bnlint.models.outline import (
    assigned,
    called,
    constants,
    location_of,
    mentions,
    scopes,
    value_of,
)

_MOST = 64
"""Times that a list is repeated."""

_NO_TENSOR = object()
_HOLDING = {
    **dict.fromkeys(("tensor", "as_tensor")),
    **dict.fromkeys(("Tensor", "FloatTensor"), torch.float32),
    "LongTensor": torch.long,
    "IntTensor": torch.int32,
    "BoolTensor": torch.bool,
}
"""Functions that make a tensor of the numbers that they are given, and its type."""

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]


def carried(model: nn.Module) -> Guess | None:
    """The inputs that a model names itself, as Lightning and diffusers do."""
    for name in lexicon.EXAMPLES:
        example = _own_attribute(model, name)
        if isinstance(example, torch.Tensor):
            example = (example,)
        if isinstance(example, Mapping) and list(tensors(example)):
            return Guess((), emptied(dict(example)), Origin.FOUND)
        if isinstance(example, (tuple, list)) and list(tensors(example)):
            return Guess(emptied(tuple(example)), origin=Origin.FOUND)
    return None


def configured_image(model: nn.Module) -> Guess | None:
    """The image whose size the configuration of its weights names, as models of timm have it."""
    for name in ("pretrained_cfg", "default_cfg"):
        config = getattr(model, name, None)
        found = config.get if isinstance(config, Mapping) else partial(getattr, config)
        size = found("input_size", None)
        if isinstance(size, tuple) and len(size) == 3:
            return Guess((empty((2, *size)),), origin=Origin.FOUND)
    return None


def _own_attribute(model: nn.Module, name: str) -> Any:
    """An attribute or a property; None if it raises, or is that of a library's base class."""
    home = next((cls for cls in type(model).__mro__ if name in vars(cls)), type(model))
    if name != lexicon.EXAMPLES[0] and not is_local(file_of(sys.modules.get(home_of(home)))):
        return None
    try:
        return getattr(model, name, None)
    except Exception:  # the property needs what is not there
        return None


def passed(texts: Iterable[Source], ref: ModelRef) -> tuple[tuple[Guess, ...], tuple[Guess, ...]]:
    """Inputs passed to this very model, and inputs passed to its class built in another way."""
    sure: list[Guess] = []
    likely: list[Guess] = []
    for text in texts:
        naming = [s for s in scopes(text.tree, skip=ref.name) if ref.name in mentions(s)]
        top = ast.Module([n for n in text.tree.body if isinstance(n, ast.Assign)], [])
        module = constants(top, {}) if naming else {}
        for scope in naming:
            for guess in Block(scope, module, ref, text.path).inputs():
                (sure if guess.origin is Origin.FOUND else likely).append(guess)
    return tuple(sure), tuple(likely[:3])


class Block:
    """One block of code: known values, tensors by name, and which names hold the model.

    ``models`` maps a name to True where the model was built by the very call that is traced.
    """

    def __init__(self, scope: ast.AST, module: Mapping[str, Any], ref: ModelRef, path: str) -> None:
        self.scope, self.ref, self.path = scope, ref, path
        self.names = constants(scope, module)
        self.assigned: dict[str, list[ast.expr]] = {}
        self.models = {} if ref.arguments else {ref.name: True}  # built by the file itself
        for name, value in chain.from_iterable(map(assigned, ast.walk(scope))):
            self.assigned.setdefault(name, []).append(value)
            if (call := _construction(value, ref.name)) is not None:
                self.models[name] = _same_call(call, ref)

    def inputs(self) -> Iterator[Guess]:
        """Inputs in the order of the code; guessed ones where the model was built otherwise."""
        for node in ast.walk(self.scope):
            if isinstance(node, ast.Call) and (guess := self._guess(node)) is not None:
                yield guess

    def _guess(self, node: ast.Call) -> Guess | None:
        """The inputs that a call passes to the model itself, or to a tool along with the model."""
        exact, arguments = self._holds_model(node.func), None
        if exact is not None:
            arguments = self._arguments(node.args, node.keywords)
        elif node.args and (exact := self._holds_model(node.args[0])) is not None:
            arguments = self._of_tool(node)
        if arguments is None:
            return None
        origin = Origin.FOUND if exact else Origin.GUESSED
        return Guess(*arguments, origin, location_of(node, self.path))

    def _of_tool(self, node: ast.Call) -> Arguments | None:
        """``summary(net, (3, 32, 32))``, ``torch.onnx.export(net, x)`` and the like."""
        if called(node) in lexicon.SUMMARY_TOOLS:
            sizes = [k.value for k in node.keywords if k.arg in lexicon.SUMMARY_SHAPES]
            try:
                shape = value_of((node.args[1:2] or sizes)[0], self.names)
            except (ValueError, IndexError):
                return None
            if _is_shape(shape):
                return (empty(shape if len(shape) in (2, 4, 5) else (2, *shape)),), {}
        if called(node) in lexicon.TRACING_TOOLS:
            named = [k.value for k in node.keywords if k.arg in lexicon.TRACING_INPUTS]
            first = (node.args[1:2] or named)[:1]
            spread = [e for a in first for e in (a.elts if isinstance(a, ast.Tuple) else [a])]
            return self._arguments(spread, [])
        return None

    def _holds_model(self, node: ast.expr) -> bool | None:
        """Whether an expression is the model: True for this very one, None if it is not."""
        if isinstance(node, ast.Name):
            return self.models.get(node.id)
        if isinstance(node, ast.Attribute) and node.attr == "forward":
            return self._holds_model(node.value)
        call = _construction(node, self.ref.name)
        return None if call is None else _same_call(call, self.ref)

    def _arguments(self, args: list[ast.expr], keywords: list[ast.keyword]) -> Arguments | None:
        values = tuple(self._value(a) for a in args)
        named = {k.arg: self._value(k.value) for k in keywords if k.arg}
        every = [*values, *named.values()]
        return (values, named) if _NO_TENSOR not in every and list(tensors(every)) else None

    def _value(self, node: ast.expr) -> Any:
        if (made := self._named(node)) is not None:
            return made
        if isinstance(node, (ast.List, ast.Tuple)):
            items = [self._value(e) for e in node.elts]
            if _NO_TENSOR in items:
                return _NO_TENSOR
            return items if isinstance(node, ast.List) else tuple(items)
        if isinstance(node, ast.BinOp) and isinstance(node.left, ast.List):
            return self._repeated(self._value(node.left), node)
        made = _tensor(node, self.names)
        try:
            return value_of(node, self.names) if made is None else made
        except ValueError:
            return _NO_TENSOR

    def _repeated(self, held: Any, node: ast.BinOp) -> Any:
        """``[torch.rand(2, 3)] * 5``."""
        try:
            times = value_of(node.right, self.names)
        except ValueError:
            times = None
        if held is _NO_TENSOR or type(times) is not int or not isinstance(node.op, ast.Mult):
            return _NO_TENSOR
        return held * min(times, _MOST)

    def _named(self, node: ast.expr) -> Any:
        """What was assigned to a name last before this line, if tensors are in it."""
        values = self.assigned.get(node.id, []) if isinstance(node, ast.Name) else []
        before = [value for value in values if _place(value) < _place(node)]
        last = max(before, key=_place, default=None)
        if last is None:
            return None
        found = self._value(last)
        return found if found is _NO_TENSOR or list(tensors(found)) else None


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _tensor(node: ast.expr, names: Mapping[str, Any]) -> torch.Tensor | None:
    """An empty tensor like the one that an expression creates, if it states the shape."""
    while isinstance(node, ast.Call) and called(node) in lexicon.SAME_SHAPE:
        node = node.args[0] if called(node) == "Variable" and node.args else _inner(node)
    if not isinstance(node, ast.Call):
        return None
    if (held := _of_numbers(node, names)) is not None or called(node) not in lexicon.TENSORS:
        return held
    try:
        shape = _shape(node, names)
    except ValueError:
        return None
    dtypes = [ast.unparse(k.value) for k in node.keywords if k.arg == "dtype"]
    whole = called(node) in lexicon.WHOLE_TENSORS or any("int" in d or "long" in d for d in dtypes)
    return empty(shape, torch.long if whole else torch.float32) if shape else None


def _of_numbers(node: ast.Call, names: Mapping[str, Any]) -> torch.Tensor | None:
    """``torch.LongTensor([4, 2])`` and ``torch.tensor(3)`` as tensors that know their numbers."""
    name = called(node)
    if name not in _HOLDING or len(node.args) != 1:
        return None
    dtypes = [ast.unparse(k.value).rpartition(".")[2] for k in node.keywords if k.arg == "dtype"]
    dtype = getattr(torch, dtypes[0], None) if dtypes else _HOLDING[name]
    try:
        numbers = value_of(node.args[0], names)
        if isinstance(numbers, (list, tuple)) or _HOLDING[name] is None:
            held: torch.Tensor = hollow(torch.tensor(numbers, dtype=dtype))
            return held
    except (TypeError, ValueError, RuntimeError):  # no numbers, or not as many in each row
        return None
    return None


def _inner(node: ast.Call) -> ast.expr:
    return node.func.value if isinstance(node.func, ast.Attribute) else node.func


def _shape(node: ast.Call, names: Mapping[str, Any]) -> tuple[int, ...] | None:
    sizes = [k.value for k in node.keywords if k.arg == "size"]
    spread = ast.fix_missing_locations(ast.Tuple(list(sizes or node.args), ast.Load()))
    values = list(value_of(spread, names))
    if called(node) == "randint" and not sizes:
        values = values[-1:]
    if called(node) == "arange":
        return (int(values[-1]),) if len(values) == 1 and isinstance(values[0], int) else None
    shape = values[0] if len(values) == 1 and isinstance(values[0], (tuple, list)) else values
    return tuple(shape) if _is_shape(tuple(shape)) else None


def _is_shape(value: Any) -> bool:
    if not isinstance(value, (tuple, list)) or not 0 < len(value) <= 6:
        return False
    return all(isinstance(v, int) and not isinstance(v, bool) and 0 < v < 1 << 24 for v in value)


def _construction(node: ast.expr, name: str) -> ast.Call | None:
    """The call of ``name`` in an expression such as ``Net(3).cuda().eval()``."""
    while isinstance(node, ast.Call):
        if called(node) == name:
            return node
        if called(node) in lexicon.MODEL_WRAPPERS and node.args:
            node = node.args[0]
        elif called(node) in lexicon.SAME_MODEL:
            node = _inner(node)
        else:
            return None
    return None


def _same_call(call: ast.Call, ref: ModelRef) -> bool:
    """True if the traced model was built by this call, as far as the text shows."""
    if not call.args and not call.keywords:
        return ref.arguments in ("", f"{ref.name}()")
    texts = (text.partition("(")[2] for text in (ast.unparse(call), ref.arguments))
    return len({text.replace(" ", "").replace('"', "'") for text in texts}) == 1
