"""Digests of the user's functions: the same for the same code, wherever it is and however named.

Comments, docstrings and line numbers don't count; functions of the user's that are called do.
"""

from __future__ import annotations

import dis
import hashlib
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from bnlint.domain.objects import home_of, is_a
from bnlint.loading.sites import is_local

_DEPTH = 6
_NOT_RUN = frozenset({"__init__", "extra_repr", "__repr__", "reset_parameters", "_init_weights"})


def short_digest(*parts: str | bytes) -> str:
    """Twelve hex digits that tell texts apart."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else part.encode("utf-8", "replace"))
        found.update(b"\0")
    return found.hexdigest()[:12]


@lru_cache(maxsize=1024)
def digest_of_class(cls: type) -> str:
    """A digest of what the methods of a class and its bases do; constructors don't count."""
    texts = []
    for base in cls.__mro__:
        if home_of(base).startswith(("torch.", "builtins")):
            break
        for name, value in sorted(vars(base).items()):
            function = value.__func__ if is_a(value, (staticmethod, classmethod)) else value
            function = value.fget if is_a(value, property) else function
            if name not in _NOT_RUN and is_a(function, FunctionType):
                texts.append(f"{name}={_of_function(function, frozenset(), 0)}")
    return short_digest(*texts)


def digest_of_function(function: Any) -> str:
    """The name of a function of a library, or a digest of one of the user's."""
    plain = getattr(function, "__wrapped__", function)
    plain = getattr(plain, "__func__", plain)
    if is_a(plain, FunctionType) and is_local(plain.__code__.co_filename):
        return f"code {_of_function(plain, frozenset(), 0)}"
    return str(getattr(function, "__name__", type(function).__name__))


def _of_function(function: FunctionType, within: frozenset[str], depth: int) -> str:
    code = function.__code__
    key = f"{code.co_filename}:{code.co_firstlineno}:{code.co_name}"
    if key in within or depth > _DEPTH:
        return "again"
    texts = [_of_code(code), repr(function.__defaults__), repr(function.__kwdefaults__)]
    for name in sorted(_names(code)):
        value = function.__globals__.get(name)
        if is_a(value, FunctionType) and is_local(value.__code__.co_filename):
            texts.append(f"{name}={_of_function(value, within | {key}, depth + 1)}")
        elif is_a(value, (bool, int, float, str, tuple)):
            texts.append(f"{name}={value!r}")
    return short_digest(*texts)


def _of_code(code: CodeType) -> str:
    """A digest of the instructions; local variables count by their number, not by their name."""
    texts = []
    for each in dis.get_instructions(code):
        if isinstance(each.argval, CodeType):
            texts.append(_of_code(each.argval))
        elif "FAST" in each.opname:
            texts.append(f"{each.opname} {each.arg}")
        else:
            texts.append(f"{each.opname} {each.argval!r}")
    return short_digest(*texts)


def _names(code: CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found
