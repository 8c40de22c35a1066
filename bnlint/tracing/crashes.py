"""Errors that end a forward: which are mistakes in it, whatever its input.

A typing error in an attribute is one. A missing key, a failed assertion or an operation that needs
numbers may only tell that bnlint does not know how the model is called.
"""

from __future__ import annotations

import ast
import dis
import inspect
import linecache
import re
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from bnlint.domain.objects import home_of, is_a
from bnlint.loading.missing.stand_ins import StubModule, StubObject
from bnlint.loading.parsing import tree_of_file
from bnlint.loading.sites import is_machinery
from bnlint.tracing.reasons import is_limit

_CALLS = re.compile(
    r"missing \d+ required|takes .*positional argument|takes no arguments|"
    r"unexpected keyword argument|multiple values for"
)
_NO_FORWARD = "missing the required"
"""What torch says of a list of modules that is called."""
_UNSET = re.compile(r"local variable '(\w+)'")
_UNPACKS = re.compile(r"(not enough|too many) values to unpack")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where a forward ended: in an operation of torch or in a line of Python.

    ``left_out``: optional inputs were not given. ``returned_nothing``: a module returned None.
    ``asserted``: the operation is an assertion of the model.
    """

    in_operation: bool
    left_out: bool
    returned_nothing: bool
    asserted: bool = False


_OF_PACKED = frozenset(PackedSequence._fields)

ASSERTIONS = frozenset({"_assert", "_assert_async"})
"""Functions with which a model demands something of its inputs in its own words."""


def wants_packed(said: str) -> bool:
    """True for an error about a tensor in place of a packed sequence.

    Layers for sequences return one if they get one.
    """
    return any(f"'Tensor' object has no attribute '{name}'" in said for name in _OF_PACKED)


def is_of_names(said: str) -> bool:
    """True for an error of a forward that the arguments of its constructor are no reason for."""
    return said.startswith(("NameError", "UnboundLocalError"))


def is_own_fault(error: BaseException, where: Circumstances) -> bool:
    """True for an error that no other input would have prevented, as far as its kind tells."""
    frames = _frames(error)
    users = [frame for frame in frames if not is_machinery(frame.f_code.co_filename)]
    if not users or is_limit(error):
        return False
    if where.asserted and where.left_out:
        return False  # it may demand just those, as detectors do in training
    if "NoneType" in str(error):
        return where.returned_nothing and not where.left_out
    return where.in_operation or _is_mistake(error, frames, users[-1])


def _is_mistake(error: BaseException, frames: list[FrameType], user: FrameType) -> bool:
    """True for what Python raises where a name, a signature or a number of values is wrong."""
    match error:
        case UnboundLocalError():
            return _is_never_set(error)
        case NameError():
            return not _is_set(str(error.name), user)
        case AttributeError():
            return _lacks_attribute(error, frames)
        case TypeError():
            return bool(_CALLS.search(str(error)))
        case ValueError():
            return bool(_UNPACKS.search(str(error)))
        case IndexError():
            return frames[-1].f_globals.get("__name__") == "torch.nn.modules.container"
    return isinstance(error, NotImplementedError) and _NO_FORWARD in str(error)


def _frames(error: BaseException) -> list[FrameType]:
    """The frames that an error passed through, the innermost last."""
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append(trace.tb_frame)
        trace = trace.tb_next
    return found


def _lacks_attribute(error: AttributeError, frames: list[FrameType]) -> bool:
    """True where nothing in its source sets the attribute that an object lacks."""
    holder, name = error.obj, error.name
    if frames[-1].f_code is nn.Module.__getattr__.__code__:
        holder, name = frames[-1].f_locals["self"], frames[-1].f_locals["name"]
    if is_a(holder, (StubModule, StubObject)):
        return False  # a base class that is not installed may have it
    if isinstance(holder, nn.Module):
        return not _sets_attribute(type(holder), str(name), frames)
    if wants_packed(str(error)):
        return False
    return isinstance(holder, (tuple, torch.Tensor))


def _sets_attribute(cls: type, name: str, frames: list[FrameType]) -> bool:
    """True if code of the class or of its file may set the attribute before the first forward."""
    bases = [base for base in cls.__mro__ if not home_of(base).startswith(("torch.", "builtins"))]
    methods = (value for base in bases for value in vars(base).values())
    if any(_stores(method.__code__, name) for method in methods if inspect.isfunction(method)):
        return True
    words = re.compile(rf"\.{re.escape(name)}\s*(:[^=\n]+)?=[^=]|['\"]{re.escape(name)}['\"]")
    files = {frame.f_code.co_filename for frame in frames}
    texts = ("".join(linecache.getlines(file)) for file in files if not is_machinery(file))
    return any(words.search(text) for text in texts)


def _stores(code: CodeType, name: str) -> bool:
    """True if the code, or a function in it, sets an attribute of that name or names it in text."""
    if name in code.co_consts:
        return True
    if name in code.co_names and any(
        step.opname == "STORE_ATTR" and step.argval == name for step in dis.get_instructions(code)
    ):
        return True
    return any(_stores(inner, name) for inner in code.co_consts if isinstance(inner, CodeType))


def _is_never_set(error: UnboundLocalError) -> bool:
    """True if no branch that another input may take sets the variable before it is read."""
    name, trace = _UNSET.search(str(error)), error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if name is None or trace is None:
        return False
    steps = list(dis.get_instructions(trace.tb_frame.f_code))
    changes = [step.offset for step in steps if _changes(step, name[1])]
    before = trace.tb_lasti
    loops = (s for s in steps if "BACKWARD" in s.opname and s.offset > min(changes, default=0))
    return min(changes, default=0) > before and all(loop.argval > before for loop in loops)


def _changes(step: dis.Instruction, variable: str) -> bool:
    """True if a step of bytecode may set or delete a local variable; some steps set two."""
    names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
    return variable in names and step.opname.startswith(("STORE_FAST", "DELETE_FAST"))


def _is_set(name: str, frame: FrameType) -> bool:
    """True if the file may define the name elsewhere: as a script, or by a star import."""
    names = _names_set(frame.f_code.co_filename)
    return "*" in names or name in names


@lru_cache(maxsize=64)
def _names_set(file: str) -> frozenset[str]:
    """The names that code of a file sets outside of functions, declares global or imports."""
    tree = tree_of_file(file)
    if tree is None:
        return frozenset("*")
    found = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(alias.asname or alias.name for alias in node.names)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            todo += ast.iter_child_nodes(node)
    return frozenset(found)
