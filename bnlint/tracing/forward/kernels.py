"""Functions whose kernels run on a GPU alone: what they made room for before they launch one."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, TracebackType
from typing import Any

import torch

from bnlint.domain.objects import is_a
from bnlint.loading.missing.stubs import StubUsed
from bnlint.models.reading.forward_code import function_tree

_ASKS = frozenset({"is_cuda", "stream", "current_stream", "data_ptr"})
"""What code reads that launches kernels of its own."""


def run_without_kernels(owner: Any, run: Callable[[], Any]) -> Any:
    """The result of an autograd function; with the tensors it returns as they were made for it.

    A forward that launches its own kernel allocates the result first, and refuses other devices. So
    if it fails here it is run as on a GPU, up to the launch. Raises what it raises if it launches
    none, or if nothing is known of the result.
    """
    try:
        return run()
    except Exception as error:
        forward = getattr(owner, "forward", None)
        if not (inspect.isfunction(forward) and _launches(forward.__code__, error)):
            raise
        return _as_on_gpu(forward, run, error)


def _launches(code: CodeType, error: Exception) -> bool:
    return isinstance(error, StubUsed) or not _ASKS.isdisjoint(code.co_names)


def _as_on_gpu(forward: Callable[..., Any], run: Callable[[], Any], error: Exception) -> Any:
    with _told_gpu():
        try:
            return run()
        except Exception as later:
            made = _made(later.__traceback__, forward)
    if made is None:
        raise error
    return made


@contextlib.contextmanager
def _told_gpu() -> Iterator[None]:
    """Every tensor says that it is on a GPU."""
    tensor: Any = torch.Tensor
    if "is_cuda" in vars(tensor):  # it does already: one such function calls another
        yield
        return
    tensor.is_cuda = property(lambda _: True)
    try:
        yield
    finally:
        del tensor.is_cuda  # what the class inherits counts again


def _made(traceback: TracebackType | None, forward: Callable[..., Any]) -> Any:
    """The tensors that the forward would return, by their names in its last line; else None."""
    frame = _frame_of(traceback, forward.__code__)
    tree = function_tree(forward)
    if frame is None or tree is None or not isinstance(tree.body[-1], ast.Return):
        return None
    values = [frame.f_locals.get(name) for name in _names(tree.body[-1].value)]
    if not values or not all(is_a(value, torch.Tensor) for value in values):
        return None
    return values[0] if isinstance(tree.body[-1].value, ast.Name) else tuple(values)


def _frame_of(traceback: TracebackType | None, code: CodeType) -> FrameType | None:
    while traceback is not None:
        if traceback.tb_frame.f_code is code:
            return traceback.tb_frame
        traceback = traceback.tb_next
    return None


def _names(returned: ast.expr | None) -> list[str]:
    """The names that a line returns; none if it returns something else."""
    parts = returned.elts if isinstance(returned, ast.Tuple) else [returned]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    return names if len(names) == len(parts) else []
