"""What may happen to the value of ``made(x)`` by the source of a function alone."""

from __future__ import annotations

import ast
import textwrap

import pytest

from bnlint.models.reading.liveness import Fate, FunctionSource

CASES = {
    "a bare call": ("made(x)\nreturn x", Fate.DROPPED),
    "overwritten": ("y = made(x)\ny = x + 1\nreturn y", Fate.DROPPED),
    "never named again": ("y = made(x)\nreturn x", Fate.DROPPED),
    "returned": ("return made(x)", Fate.RETURNED),
    "returned by name": ("y = made(x)\nreturn y", Fate.RETURNED),
    "returned by another name": ("y = made(x)\nz = y\nreturn z", Fate.RETURNED),
    "another name that is overwritten": ("y = made(x)\nz = y\nz = x\nreturn z", Fate.DROPPED),
    "returned with others": ("y = made(x)\nreturn x, y", Fate.RETURNED),
    "returned in a dict": ("y = made(x)\nreturn {'x': x, 'y': y}", Fate.RETURNED),
    "returned by a choice": ("y = made(x)\nreturn (x, y) if flag else y", Fate.RETURNED),
    "returned in a choice": ("return (x, made(x)) if flag else x", Fate.RETURNED),
    "it decides a choice": ("y = made(x)\nreturn x if y else 0", Fate.USED),
    "returned as a part of something": ("y = made(x)\nreturn x + y", Fate.USED),
    "read in a branch": ("y = made(x)\nif flag:\n  x = x + y\nreturn x", Fate.USED),
    "the condition reads it": ("y = made(x)\nif y is None:\n  pass\nreturn x", Fate.USED),
    "overwritten in one branch": ("y = made(x)\nif flag:\n  y = x\nreturn y + 1", Fate.USED),
    "overwritten in both": (
        "y = made(x)\nif flag:\n  y = x\nelse:\n  y = 1\nreturn y",
        Fate.DROPPED,
    ),
    "behind a return": ("y = made(x)\nreturn x\nreturn y", Fate.DROPPED),
    "one side returns before": ("y = made(x)\nif flag:\n  return x\nreturn y", Fate.RETURNED),
    "bound in a branch": ("if flag:\n  y = made(x)\nreturn y.sum()", Fate.USED),
    "the next round reads it": ("for a in x:\n  y = y + a\n  y = made(a)\nreturn x", Fate.USED),
    "the head of a loop reads it": ("while y:\n  y = made(x)\nreturn x", Fate.USED),
    "the loop binds it": ("for y in x:\n  y = made(y)\nreturn x", Fate.DROPPED),
    "a loop may not run": ("y = made(x)\nfor a in x:\n  y = a\nreturn y", Fate.RETURNED),
    "only printed": ("y = made(x)\nprint(y.shape)\ny = x\nreturn y", Fate.DROPPED),
    "only asserted": ("y = made(x)\nassert y.ndim == 2\nreturn x", Fate.DROPPED),
    "its size is read": ("y = made(x)\nreturn x.view(y.size(0))", Fate.USED),
    "kept on self": ("self.last = made(x)\nreturn x", Fate.USED),
    "unpacked, one half is read": ("a, b = made(x)\nreturn x + b", Fate.USED),
    "unpacked, none is read": ("a, b = made(x)\nreturn x", Fate.DROPPED),
    "assigned side by side": ("a, b = made(x), x\nreturn b", Fate.DROPPED),
    "assigned side by side, read": ("a, b = x, made(x)\nreturn a + b", Fate.USED),
    "an argument": ("return sum(made(x))", Fate.USED),
    "one of two values": ("y = made(x) if flag else x\nreturn x", Fate.DROPPED),
    "in a list that nobody reads": (
        "found = []\nfound.append(1)\ny = made(x)\nfound.append(y)\nreturn x",
        Fate.DROPPED,
    ),
    "in a list": ("found = []\ny = made(x)\nfound.append(y)\nreturn found[0]", Fate.USED),
    "a closure reads it": ("y = made(x)\ndef f():\n  return y\nreturn f", Fate.USED),
    "all locals are read": ("y = made(x)\nreturn locals()", Fate.USED),
    "global": ("global y\ny = made(x)\nreturn x", Fate.USED),
    "a handler reads it": (
        "y = None\ntry:\n  y = made(x)\n  check(x)\nexcept ValueError:\n  x = y\nreturn x",
        Fate.USED,
    ),
    "with": ("with scope:\n  y = made(x)\nreturn y", Fate.RETURNED),
    "match": ("y = made(x)\nmatch x:\n  case 1:\n    x = y\nreturn x", Fate.USED),
    "each of a list": ("ys = [made(a) for a in x]\nreturn x", Fate.DROPPED),
    "augmented": ("y = made(x)\ny += 1\nreturn x", Fate.USED),
}


def _fate(body: str, repeated: bool = False) -> Fate:
    text = f"def forward(self, x, y, flag):\n{textwrap.indent(body, '    ')}\n"
    tree = ast.parse(text)
    (call,) = (
        n for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "made"
    )  # fmt: skip
    span = call.lineno, call.end_lineno, call.col_offset, call.end_col_offset
    source = FunctionSource(tree)
    node = source.expression(span)
    assert node is call
    return source.fate(call, repeated)


@pytest.mark.parametrize(("body", "fate"), CASES.values(), ids=CASES.keys())
def test_fates(body: str, fate: Fate) -> None:
    assert _fate(body) is fate


def test_a_loop_that_goes_on_does_not_return_the_value() -> None:
    body = "for a in x:\n  y = made(a)\nreturn y"
    assert _fate(body) is Fate.RETURNED
    assert _fate(body, repeated=True) is Fate.DROPPED
    assert _fate("for a in x:\n  b = y\n  y = made(a + b)\nreturn y", repeated=True) is Fate.USED
