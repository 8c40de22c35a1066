"""Readers of the tables that declare models, inputs, layers and what differs per file.

::

    [tool.bnlint.models]
    "src/net.py" = "Net(3, 10)"
    "src/resnet.py" = ["resnet18()", {call = "build(width=2)", inputs = ["1x3x64x64"]}]

    [tool.bnlint.inputs]
    "src/*.py" = "1x3x224x224"
    "src/bert.py::Bert" = ["8x128:int64", "mask=8x128:bool"]

    [tool.bnlint.layers]
    "mylib.MyNorm2d" = "batchnorm2d"
    "mylib.gate" = "sigmoid"

    [tool.bnlint.per-file]
    "tests/*.py" = {ignore = ["BN301"], severity = {BN102 = "info"}}
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from bnlint.config.option import At, InputsFor, ModelsFor, PerFile, severities, strings, words
from bnlint.domain.phrases import closest
from bnlint.domain.request import InputSpec, ModelSpec

DTYPES = (
    *("float32", "float", "float64", "double", "float16", "half", "bfloat16"),
    *("int64", "long", "int32", "int", "int16", "short", "int8", "uint8", "bool", "complex64"),
)

_SPEC = re.compile(r"(?:(\w+)\s*=\s*)?(scalar|\d+(?:\s*[xX×,]\s*\d+)*)\s*(?::\s*(\w+))?")
_DOTTED = re.compile(r"\w+(\.\w+)*")


def inputs(value: Any, at: At) -> tuple[InputSpec, ...]:
    """Declared inputs from texts such as ``1x3x224x224``, ``8x16:int64`` or ``mask=8x16:bool``."""
    read: list[InputSpec] = []
    for text in strings(value, at):
        spec = _input(text, at)
        if spec and not spec.name and any(other.name for other in read):
            at.fail(f"'{text}' has no name but comes after a named input", "name it too", text)
        elif spec:
            read.append(spec)
    return tuple(read)


def _input(text: str, at: At) -> InputSpec | None:
    """One input; None after a complaint."""
    found = _SPEC.fullmatch(text.strip())
    if not found:
        at.fail(f"'{text}' is not an input", "write it like 1x3x224x224 or x=8x16:int64", text)
        return None
    name, shape, dtype = found[1] or "", found[2], found[3] or "float32"
    if dtype not in DTYPES:
        at.fail(f"no dtype is called '{dtype}'", closest(dtype, DTYPES), text)
        return None
    sizes = () if shape == "scalar" else tuple(map(int, re.findall(r"\d+", shape)))
    return InputSpec(sizes, name, dtype)


def inputs_table(value: Any, at: At) -> tuple[InputsFor, ...]:
    """Rows of ``[tool.bnlint.inputs]``: inputs by file glob, which ``::Model`` narrows."""
    rows = []
    for key, item in _table(value, at):
        glob, _, model = key.partition("::")
        if found := inputs(item, at.under(key)):
            rows.append(InputsFor(glob, found, model))
    return tuple(rows)


def models(value: Any, at: At) -> tuple[ModelsFor, ...]:
    """Rows of ``[tool.bnlint.models]``: the calls that build the models of a file, by glob."""
    rows = []
    for glob, item in _table(value, at):
        items = item if isinstance(item, list) else [item]
        read = [_model(each, at.under(glob)) for each in items]
        rows.append(ModelsFor(glob, tuple(model for model in read if model)))
    return tuple(rows)


def is_call(text: str) -> bool:
    """True for ``Net``, ``a.b.Net`` and calls of these, such as ``build(width=2)``."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return False
    node = node.func if isinstance(node, ast.Call) else node
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def layers(value: Any, at: At) -> tuple[tuple[str, str], ...]:
    """Rows of ``[tool.bnlint.layers]``: the dotted name of a type or function, and its kind."""
    rows = []
    for name, kind in _table(value, at):
        if not _DOTTED.fullmatch(name):
            at.under(name).fail(f"'{name}' is not the dotted name of a type or function")
        elif not isinstance(kind, str):
            at.under(name).fail("expected the name of a kind", 'write it like "batchnorm2d"')
        else:
            rows.append((name, kind))
    return tuple(rows)


def per_file(value: Any, at: At) -> tuple[PerFile, ...]:
    """Rows of ``[tool.bnlint.per-file]``: what is ignored or has another severity, by glob."""
    rows = []
    for glob, item in _table(value, at):
        place = at.under(glob)
        if not isinstance(item, dict):
            place.fail("expected a table", 'write it like {ignore = ["BN301"]}')
            continue
        _closed(item, ("ignore", "severity"), place)
        ignore = words(item.get("ignore", []), place.under("ignore"))
        severity = severities(item.get("severity", {}), place.under("severity"))
        rows.append(PerFile(glob, ignore, severity))
    return tuple(rows)


def _model(value: Any, at: At) -> ModelSpec | None:
    """One declared model: a call, or a table of a call and inputs."""
    table = {"call": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not isinstance(table.get("call"), str):
        at.fail(f"{value!r} is not a model", 'write it like "Net(3, 10)" or {call = "Net()"}')
        return None
    _closed(table, ("call", "inputs"), at)
    if not is_call(table["call"]):
        at.fail(f"'{table['call']}' is not a call", "write it like Net(3, 10)", table["call"])
        return None
    return ModelSpec(table["call"], inputs(table.get("inputs", []), at.under("inputs")))


def _table(value: Any, at: At) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    at.fail("expected a table")
    return []


def _closed(table: dict[str, Any], keys: tuple[str, ...], at: At) -> None:
    for key in table:
        if key not in keys:
            at.under(key).fail(f"unknown key '{key}'", closest(key, keys))


TABLES: Mapping[str, Callable[[Any, At], Any]] = {
    "inputs": inputs,
    "inputs-table": inputs_table,
    "models": models,
    "layers": layers,
    "per-file": per_file,
}
"""Readers of tables by the kind of an option."""
