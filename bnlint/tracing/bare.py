"""The model as it is traced: a copy on meta, in train mode, with lazy layers uninitialized."""

from __future__ import annotations

import contextlib
import copy
import operator
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CellType, FunctionType
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from bnlint.domain.objects import is_a
from bnlint.models.nested import copies
from bnlint.tracing.forward.module_names import own_states, plainly_held, states_of
from bnlint.tracing.modes.reads_of_mode import sets_mode

T = TypeVar("T")

_MOST_SHARED = 64
"""Objects that a copy of a model shares with it."""


def on_meta(model: nn.Module) -> nn.Module:
    """A copy of the model on meta; the model itself if it is already there.

    Objects that cannot be copied (locks, open files) are shared with the copy, and a model that
    cannot be copied is traced itself.
    """
    states: list[torch.Tensor] = []
    for module in model.modules():
        states += own_states(module)
        for _, held in plainly_held(module):
            states += states_of(held)
    if all(s.is_meta for s in states):
        return model
    bare = copied(model, {id(s): _bare(s) for s in states}, _empty)
    for module in () if bare is None else bare.modules():
        if isinstance(module, nn.DataParallel):
            module.device_ids = []  # nothing of it is on those devices
    return bare or model


def copied(
    model: nn.Module, known: Mapping[int, Any], computed: Callable[[torch.Tensor], torch.Tensor]
) -> nn.Module | None:
    """A deep copy of a model, which shares with it what cannot be copied; None if that is itself.

    ``known`` are copies by the id of their original, ``computed`` copies the result of a
    computation, which torch does not copy.
    """
    shared: dict[int, Any] = {}
    while len(shared) < _MOST_SHARED:
        try:
            memo = {**known, **shared}
            with copies(lambda tensor: None if tensor.is_leaf else computed(tensor)):
                return _rebound(copy.deepcopy(model, memo), memo)
        except Exception as error:
            culprit = _uncopied(error)
            if culprit is None or culprit is model:
                break
            shared[id(culprit)] = culprit
    return None


def _rebound(model: nn.Module, copies_by_id: Mapping[int, Any]) -> nn.Module:
    """The copy, with hooks that write to it and not to the original, as they are no objects."""
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key, hook in hooks.items():
                if isinstance(hook, FunctionType):
                    hooks[key] = _with_copies(hook, copies_by_id)
    return model


def _with_copies(function: FunctionType, copies_by_id: Mapping[int, Any]) -> Any:
    """The function, or one that has copies of what it reads around it and among globals."""
    cells = function.__closure__ or ()
    inside = [_of_cell(cell, copies_by_id) for cell in cells]
    names = {n: function.__globals__.get(n) for n in function.__code__.co_names}
    outside = {n: copies_by_id[id(v)] for n, v in names.items() if id(v) in copies_by_id}
    if not outside and all(one is other for one, other in zip(inside, cells, strict=True)):
        return function
    around = {**function.__globals__, **outside} if outside else function.__globals__
    made = FunctionType(
        function.__code__, around, function.__name__, function.__defaults__, tuple(inside)
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _of_cell(cell: CellType, copies_by_id: Mapping[int, Any]) -> CellType:
    try:
        held = cell.cell_contents
    except ValueError:  # nothing was assigned to the variable
        return cell
    return CellType(copies_by_id[id(held)]) if id(held) in copies_by_id else cell


_OF_ATTRIBUTE = 3
"""A copy of a module copies the dict of its attributes, then each of those."""


def _empty(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(tensor, device="meta", requires_grad=False)


def _uncopied(error: Exception) -> Any:
    """The object at which a deep copy failed; of one too deep, the attribute of a module."""
    objects, traceback = [], error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code is copy.deepcopy.__code__:
            objects.append(traceback.tb_frame.f_locals.get("x"))
        traceback = traceback.tb_next
    if isinstance(error, RecursionError):
        modules = [i for i, value in enumerate(objects) if is_a(value, nn.Module)]
        objects = objects[: modules[-1] + _OF_ATTRIBUTE] if modules else []
    return objects[-1] if objects else None


def _bare(state: torch.Tensor) -> torch.Tensor:
    if is_lazy(state):
        return without_numbers(state)
    bare: torch.Tensor = torch.empty_like(state, device="meta")
    if isinstance(state, nn.Parameter):
        return nn.Parameter(bare, requires_grad=state.requires_grad)
    return bare


@contextlib.contextmanager
def in_training(model: nn.Module) -> Iterator[None]:
    """Train mode inside the block; the modes are restored, since it may be the user's model."""
    modes = [(module, module.training) for module in model.modules()]
    kinds: set[Any] = {type(module) for module, _ in modes}
    changes = not all(training for _, training in modes) or any(map(sets_mode, kinds))
    if changes:  # setting the mode of each module takes longer than to look at it
        model.train()
    try:
        yield
    finally:
        for module, training in modes if changes else ():
            module.training = training


@contextlib.contextmanager
def same_attributes(model: nn.Module | None) -> Iterator[None]:
    """Restores the attributes of a model's modules after the block; None is no model."""
    modules = () if model is None else tuple(model.modules())
    kept = [
        (own, dict(own))
        for m in modules
        for own in (vars(m), *(v for v in vars(m).values() if type(v) in (dict, OrderedDict)))
    ]
    try:
        yield
    finally:
        for own, before in kept:
            if own.keys() != before.keys() or any(own[k] is not v for k, v in before.items()):
                own.clear()
                own.update(before)


@contextlib.contextmanager
def attributes_kept(model: nn.Module) -> Iterator[None]:
    """Reset what the block assigns to attributes and buffers that the modules have before it.

    ``self.mean = self.mean.type_as(x)`` would keep the stand-in of one trace for the next one.
    """
    held = [each for module in model.modules() for each in (vars(module), module._buffers)]
    before = [(values, dict(values)) for values in held]
    try:
        yield
    finally:
        for values, old in before:
            if _is_same(values, old):
                continue
            for name in values.keys() & old.keys():
                if values[name] is not old[name]:
                    values[name] = old[name]


def _is_same(values: dict[str, Any], old: dict[str, Any]) -> bool:
    """True if each entry is what it was, but for those that were added or removed at the end."""
    same = operator.is_
    return all(map(same, values, old)) and all(map(same, values.values(), old.values()))


def without_numbers(state: torch.Tensor) -> torch.Tensor:
    """A new lazy parameter or buffer on meta, since a lazy buffer can't be deep-copied."""
    kind: Any = type(state)
    lazy: torch.Tensor = kind(state.requires_grad, device="meta", dtype=state.dtype)
    return lazy


class Lazies:
    """The lazy layers of a model that no call has initialized yet.

    They are reset, so that one guessed input does not determine the channels for the next.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers = [
            (module, type(module), {name: _kept(value) for name, value in vars(module).items()})
            for module in model.modules()
            if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params()
        ]

    def restore(self) -> None:
        """Reset the layers that were called since."""
        for module, cls, fields in self._layers:
            module.__class__ = cls
            for name, value in fields.items():
                if is_a(value, dict):  # the same dict: handles of hooks refer to it
                    known = vars(module)[name]
                    known.clear()
                    known.update(_kept(value))
                else:
                    vars(module)[name] = value

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items; the layers are reset before each."""
        for item in items:
            self.restore()
            yield item


def _kept(value: Any) -> Any:
    """An attribute to keep: a dict is copied, with new lazy parameters in it."""
    if not is_a(value, dict):
        return value
    return {k: without_numbers(v) if is_lazy(v) else v for k, v in value.items()}
