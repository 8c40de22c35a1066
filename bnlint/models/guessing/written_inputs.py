"""Inputs that are written down: on the model itself, or where the source calls it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import ModelRef
from bnlint.loading.source import Source
from bnlint.models.guessing.candidate import Candidate
from bnlint.models.guessing.written import called, constants, scopes, tests_of, value_of

_FLOAT = ("randn", "rand", "zeros", "ones", "empty", "Tensor", "FloatTensor")
_WHOLE = ("randint", "LongTensor", "arange")
_SUMMARY = ("summary", "torchsummary", "get_model_complexity_info")
_TAKES_MODEL = (
    "export",
    "trace",
    "profile",
    "flops",
    "FlopCountAnalysis",
    "add_graph",
    "draw_graph",
)
_SAME_SHAPE = ("cuda", "to", "float", "requires_grad_", "Variable", "cpu", "double", "half")
_NO_TENSOR = object()


def carried(model: nn.Module) -> Candidate | None:
    """The inputs that a model names itself, as Lightning, transformers and timm do."""
    example = getattr(model, "example_input_array", None)
    if isinstance(example, torch.Tensor):
        return Candidate((to_meta(example),))
    if isinstance(example, tuple) and example:
        return Candidate(tuple(map(to_meta, example)))
    for name in ("pretrained_cfg", "default_cfg"):
        size = _setting(getattr(model, name, None), "input_size")
        if isinstance(size, tuple) and len(size) == 3:
            return Candidate((_empty((2, *size)),))
    return None


def to_meta(value: Any) -> Any:
    """The value with every tensor in it replaced by an empty one on meta."""
    if isinstance(value, torch.Tensor):
        return torch.empty_like(value, device="meta")
    if isinstance(value, (tuple, list)):
        return type(value)(map(to_meta, value))
    if isinstance(value, Mapping):
        return {k: to_meta(v) for k, v in value.items()}
    return value


def mine(source: Source, ref: ModelRef) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """Inputs passed to this very model, and inputs passed to its class built in another way."""
    sure: list[Candidate] = []
    likely: list[Candidate] = []
    for tree in (source.tree, *(t.tree for t in tests_of(source))):
        module = constants(ast.Module([n for n in tree.body if isinstance(n, ast.Assign)], []), {})
        for scope in scopes(tree, skip=ref.name):
            block = Block.read(scope, module, ref)
            for exact, candidate in block.inputs():
                (sure if exact else likely).append(candidate)
    return tuple(sure), tuple(likely[:3])


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code: known values, tensors by name, and which names hold the model.

    ``models`` maps a name to True where the model was built by the very call that is traced.
    """

    scope: ast.AST
    names: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]
    models: Mapping[str, bool]
    ref: ModelRef

    @classmethod
    def read(cls, scope: ast.AST, module: Mapping[str, Any], ref: ModelRef) -> Block:
        """The block's own view, with names of the module below it."""
        names = constants(scope, module)
        tensors: dict[str, torch.Tensor] = {}
        models = {ref.name: True} if ref.origin == "instance" else {}
        for name, value in _assignments(scope):
            made = _tensor(value, names)
            if made is not None:
                tensors[name] = made
            elif (call := _construction(value, ref.name)) is not None:
                models[name] = _same_call(call, ref)
        return cls(scope, names, tensors, models, ref)

    def inputs(self) -> Iterator[tuple[bool, Candidate]]:
        """Inputs in the order of the code, each with whether it is for this very model."""
        for node in ast.walk(self.scope):
            if not isinstance(node, ast.Call):
                continue
            exact = self._holds_model(node.func)
            if exact is not None:
                candidate = self._candidate(node.args, node.keywords)
            else:
                exact, candidate = self._of_tool(node)
            if exact is not None and candidate is not None:
                yield exact, candidate

    def _of_tool(self, node: ast.Call) -> tuple[bool | None, Candidate | None]:
        """``summary(net, (3, 32, 32))``, ``torch.onnx.export(net, x)`` and their like."""
        if not node.args or (exact := self._holds_model(node.args[0])) is None:
            return None, None
        if called(node) in _SUMMARY:
            return exact, self._of_summary(node)
        if called(node) in _TAKES_MODEL:
            given = [k.value for k in node.keywords if k.arg in ("inputs", "args", "input_data")]
            first = (node.args[1:2] or given)[:1]
            spread = [e for a in first for e in (a.elts if isinstance(a, ast.Tuple) else [a])]
            return exact, self._candidate(spread, [])
        return None, None

    def _of_summary(self, node: ast.Call) -> Candidate | None:
        sizes = [k.value for k in node.keywords if k.arg in ("input_size", "input_res")]
        try:
            shape = value_of((node.args[1:2] or sizes)[0], self.names)
        except (ValueError, IndexError):
            return None
        if not _is_shape(shape):
            return None
        return Candidate((_empty(shape if len(shape) in (2, 4, 5) else (2, *shape)),))

    def _holds_model(self, node: ast.expr) -> bool | None:
        """Whether an expression is the model: True for this very one, None if it is not."""
        if isinstance(node, ast.Name):
            return self.models.get(node.id)
        if isinstance(node, ast.Attribute) and node.attr == "forward":
            return self._holds_model(node.value)
        call = _construction(node, self.ref.name)
        return None if call is None else _same_call(call, self.ref)

    def _candidate(self, args: list[ast.expr], keywords: list[ast.keyword]) -> Candidate | None:
        values = [self._value(a) for a in args]
        named = {k.arg: self._value(k.value) for k in keywords if k.arg}
        every = [*values, *named.values()]
        if _NO_TENSOR in every or not any(isinstance(v, torch.Tensor) for v in _flat(every)):
            return None
        return Candidate(tuple(values), named)

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name) and node.id in self.tensors:
            return self.tensors[node.id]
        if isinstance(node, (ast.List, ast.Tuple)):
            items = [self._value(e) for e in node.elts]
            if _NO_TENSOR in items:
                return _NO_TENSOR
            return items if isinstance(node, ast.List) else tuple(items)
        made = _tensor(node, self.names)
        if made is not None:
            return made
        try:
            return value_of(node, self.names)
        except ValueError:
            return _NO_TENSOR


def _assignments(scope: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                yield target.id, node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for one, value in zip(target.elts, node.value.elts, strict=False):
                    if isinstance(one, ast.Name):
                        yield one.id, value


def _tensor(node: ast.expr, names: Mapping[str, Any]) -> torch.Tensor | None:
    """The empty twin of a tensor that is created with a plain shape, through ``.cuda()`` too."""
    while isinstance(node, ast.Call) and called(node) in _SAME_SHAPE:
        node = node.args[0] if called(node) == "Variable" and node.args else _inner(node)
    if not isinstance(node, ast.Call) or called(node) not in _FLOAT + _WHOLE:
        return None
    try:
        shape = _shape(node, names)
    except ValueError:
        return None
    whole = called(node) in _WHOLE or _is_whole(node)
    return _empty(shape, torch.long if whole else torch.float32) if shape else None


def _inner(node: ast.Call) -> ast.expr:
    return node.func.value if isinstance(node.func, ast.Attribute) else node.func


def _shape(node: ast.Call, names: Mapping[str, Any]) -> tuple[int, ...] | None:
    sizes = [k.value for k in node.keywords if k.arg == "size"]
    values = [value_of(a, names) for a in (sizes or node.args)]
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


def _is_whole(node: ast.Call) -> bool:
    dtypes = [ast.unparse(k.value) for k in node.keywords if k.arg == "dtype"]
    return any("int" in d or "long" in d for d in dtypes)


def _construction(node: ast.expr, name: str) -> ast.Call | None:
    """The call of ``name`` in an expression such as ``Net(3).cuda().eval()``."""
    while isinstance(node, ast.Call):
        if called(node) == name:
            return node
        if called(node) not in ("cuda", "to", "eval", "train", "float", "half", "cpu"):
            return None
        node = _inner(node)
    return None


def _same_call(call: ast.Call, ref: ModelRef) -> bool:
    """True when the traced model was built by this call, as far as its text says."""
    if not call.args and not call.keywords:
        return ref.arguments in ("", f"{ref.name}()")
    inside = ref.arguments.partition("(")[2]
    return _squeezed(ast.unparse(call).partition("(")[2]) == _squeezed(inside)


def _squeezed(text: str) -> str:
    return text.replace(" ", "").replace('"', "'")


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(list(value))
        else:
            yield value


def _empty(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def _setting(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
