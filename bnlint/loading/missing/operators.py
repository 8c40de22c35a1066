"""Operators of torch that the compiled part of a package should have brought."""

from __future__ import annotations

import re
from typing import Protocol

import torch

_NO_OPERATOR = re.compile(r"operator (\w+)::(\w+) does not exist")

_CAUSES = 8
"""Errors that are followed back to where they came from."""


class Noting(Protocol):
    """What remembers which operators were defined, by the name of the package."""

    operators: dict[str, list[str]]


def without_operator(error: BaseException | None) -> BaseException | None:
    """The error that names a missing operator: this one, or one that it was raised from."""
    for _ in range(_CAUSES):
        if error is None or _NO_OPERATOR.search(str(error)):
            return error
        error = error.__cause__
    return None


def define_operator(error: BaseException, stubs: Noting) -> bool:
    """True if an operator was defined that a package should have brought: the rest of it loads.

    Its compiled part cannot be loaded, most often because it was built for another torch. A call of
    the operator still fails.
    """
    found = _NO_OPERATOR.search(str(error))
    if found is None:
        return False
    namespace, name = found[1], found[2]
    if name in stubs.operators.get(namespace, ()):
        return False
    stubs.operators.setdefault(namespace, []).append(name)
    torch.library.define(f"{namespace}::{name}", "(Tensor missing) -> Tensor")
    return True
