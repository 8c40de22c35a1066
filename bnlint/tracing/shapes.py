"""The tolerant shape pass: a record is run on the meta device and continues after an error.

The error is kept on its call, to be reported, and the pass continues with the most likely result:
a kernel's output for the channels it expects, or a norm's input.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.autograd import Function
from torch.nn.parameter import is_lazy

from bnlint.domain.phrases import first_line
from bnlint.layers.calls import UNSEEN, Call, Ref, State, replace_refs
from bnlint.layers.of_calls import kind_of
from bnlint.layers.shapes import quick
from bnlint.layers.shapes.shape_rules import is_plain_tensor, like
from bnlint.layers.table import Table, having
from bnlint.models.guessing.guess import Guess, emptied
from bnlint.models.meta.known_numbers import hollow
from bnlint.models.meta.meta_mode import on_meta
from bnlint.models.nested import with_tensors
from bnlint.tracing.forward.kernels import run_without_kernels
from bnlint.tracing.forward.module_names import states_of
from bnlint.tracing.reasons import is_limit
from bnlint.tracing.tracers import Record


class _NotRun(Exception):
    """Raised if an argument is unknown, so that the call can't be run."""


def run_on_meta(record: Record, table: Table, candidate: Guess) -> int:
    """The index of the first call that failed, else ``len(calls)``; fills in the values."""
    values = _inputs(record, candidate)
    first_error = len(record.calls)
    with torch.no_grad():
        for index, call in enumerate(record.calls):
            call.error = None
            call.value = values[call.id] if call.id in values else _run(call, table, values)
            values[call.id] = call.value
            if call.error is not None:
                first_error = min(first_error, index)
    return first_error


def clear_values(record: Record) -> None:
    """Clear the values and errors of a pass with unsuitable inputs."""
    for call in record.calls:
        call.value, call.error = UNSEEN, None


def _inputs(record: Record, candidate: Guess) -> dict[str, Any]:
    """Copies of the inputs, which a forward may change, by the ids of their calls."""
    args, kwargs = with_tensors((candidate.args, dict(candidate.kwargs)), torch.clone)
    waiting = iter(args)
    return {
        call.id: kwargs[call.args[0]] if call.args[0] in kwargs else next(waiting, UNSEEN)
        for call in record.calls
        if call.target == "input"
    }


def _run(call: Call, table: Table, values: Mapping[str, Any]) -> Any:
    def value_of(item: Ref | State) -> Any:
        value = item.tensor if isinstance(item, State) else values.get(item.id, UNSEEN)
        if value is UNSEEN:
            raise _NotRun
        return value

    try:
        args = replace_refs(call.args, value_of)
        kwargs = replace_refs(call.kwargs, value_of)
    except _NotRun:
        return UNSEEN
    try:
        return invoke(call.target, args, kwargs)
    except Exception as error:  # torch and the user's layers may raise anything
        if is_limit(error) or call.opaque:
            return _all_on_meta(call.target, args, kwargs)
        call.error = first_line(str(error).strip()) or type(error).__name__
        return substitute(call.target, table, args)


def _all_on_meta(target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result where one of the tensors was made on another device, or numbers are needed."""
    try:
        if isinstance(target, str):
            return on_meta(getattr(torch.Tensor, target))(*args, **kwargs)
        if isinstance(target, nn.Module):
            return invoke(target, hollow(args), hollow(dict(kwargs)))
        return on_meta(target)(*args, **kwargs)
    except Exception:  # then nothing is known of the result
        return UNSEEN


def invoke(target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result of a layer, a function, or the tensor method that a string names."""
    found = quick(target, args, kwargs)
    if found is not None:
        return found
    if isinstance(target, str):
        result = getattr(args[0], target)(*args[1:], **kwargs)
        return _with_numbers(args[0], result) if target == "to" else result
    owner = getattr(target, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, Function):
        return run_without_kernels(owner, lambda: target(*args, **kwargs))
    return on_bare_weights(target, target, args, kwargs)


def _with_numbers(before: Any, moved: torch.Tensor) -> torch.Tensor:
    """A constant stays where its numbers are: a transformer compares its mask with others."""
    lost = isinstance(before, torch.Tensor) and not before.is_meta and moved.is_meta
    return before.to(moved.dtype) if lost else moved


def on_bare_weights(
    target: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    """The result of ``call``, with the weights of a layer replaced by weights on meta.

    A layer that is not registered in the model was not copied to meta with it.
    """
    if not isinstance(target, nn.Module):
        return call(*args, **kwargs)
    with _norms_by_formula():
        takes_meta = any(isinstance(a, torch.Tensor) and a.is_meta for a in args)
        if not takes_meta or all(t.is_meta or is_lazy(t) for t in states_of(target)):
            return call(*args, **kwargs)
        states = dict((*target.named_parameters(), *target.named_buffers()))
        return torch.func.functional_call(target, emptied(states), args, dict(kwargs))


@contextlib.contextmanager
def _norms_by_formula() -> Iterator[None]:
    """Compute the shapes of norms inside a layer by formula, since torch decomposes them on meta.

    Only while a layer runs, so that the model's own calls of norms are still recorded.
    """
    for name, (_, quick_norm) in _NORMS.items():
        setattr(torch, name, quick_norm)
    try:
        yield
    finally:
        for name, (original, _) in _NORMS.items():
            setattr(torch, name, original)


def _by_formula(norm: Callable[..., Any], *, per_channel: bool) -> Callable[..., Any]:
    """The norm by formula if all shapes fit, else the norm itself."""

    def run(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_plain_tensor(x) or not x.is_floating_point() or x.ndim < 2:
            return norm(x, *args, **kwargs)
        shape = x.shape[1:2] if per_channel else x.shape[x.ndim - len(args[0]) :]
        states = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor)]
        fits = per_channel or tuple(args[0]) == tuple(shape)
        if fits and all(is_plain_tensor(s) and s.shape == shape for s in states):
            return like(x, x.shape)
        return norm(x, *args, **kwargs)

    return run


_NORMS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "batch_norm": (torch.batch_norm, _by_formula(torch.batch_norm, per_channel=True)),
    "layer_norm": (torch.layer_norm, _by_formula(torch.layer_norm, per_channel=False)),
    "rms_norm": (torch.rms_norm, _by_formula(torch.rms_norm, per_channel=False)),
}
"""Functions of torch and what to run instead of them; ``torch.nn.functional`` calls them."""


def substitute(target: Any, table: Table, args: tuple[Any, ...]) -> Any:
    """The most likely result of a call that failed, or UNSEEN.

    A kernel is run on an input that it accepts; what keeps the shape returns its input.
    """
    x = args[0] if args and isinstance(args[0], torch.Tensor) else None
    module = target if isinstance(target, nn.Module) else None
    kind = kind_of(Call("", target), table)
    if x is None or kind is None:
        return UNSEEN
    if "kernel" in kind.tags:
        return _kernel_result(module, x) if module else UNSEEN
    if kind.tags & having("keeps", "shape"):
        return x
    return UNSEEN


def _kernel_result(module: nn.Module, x: torch.Tensor) -> Any:
    wanted = list(x.shape)
    channels = getattr(module, "in_channels", None)
    features = getattr(module, "in_features", None)
    rank = len(getattr(module, "kernel_size", ()))
    if isinstance(channels, int) and len(wanted) == rank + 2:
        wanted[1] = channels
    elif isinstance(features, int) and wanted:
        wanted[-1] = features
    else:
        return UNSEEN
    try:
        return module(x.new_empty(wanted))
    except Exception:  # then no result is likely
        return UNSEEN
