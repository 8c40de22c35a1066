"""Numbers of tensors on meta, where a forward asks for them: ``if mask.all()``, ``x[keep]``.

A tensor is computed from those it was made of, back to inputs and results of layers, whose numbers
are random: only the sequence of operations is used, which no number decides in most forwards.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.layers.calls import name_of
from bnlint.layers.table import Table, is_leaf
from bnlint.models.meta.known_numbers import hollow, made_up, numbers_of
from bnlint.models.nested import mapped, tensors, tensors_in

LIMIT = 1 << 22
"""Elements up to which the numbers of a tensor are computed."""

_MOST, _MOST_TENSORS, _BUDGET = 500, 1 << 11, 1 << 26
"""Answers to one module, those of them that are tensors, and elements computed in one forward.

A loop may wait for a number forever, but not for a tensor: sampling points one by one takes two
for each.
"""

_DEPTH = 200

_FEW = 1 << 12
"""Elements of a tensor up to which an item of it has numbers as well."""

_CPU = torch.device("cpu")

_CHOOSING = frozenset({"topk", "argmax"})
"""Functions with which a router chooses the experts of each token."""

_ARRANGING = frozenset({"_pack_padded_sequence", "_pad_packed_sequence"})
"""Functions whose lengths decide, but no number of their data."""

_COMPARING = frozenset({"equal", "allclose"})

_Made = tuple[Any, tuple[Any, ...], dict[str, Any], Any]
"""A function, its arguments and its result."""


def _always() -> bool:
    return True


class NumbersUnknown(RuntimeError):
    """Raised where a forward asks for numbers that bnlint does not compute."""


class Answers:
    """What the tensors of one forward were made of.

    ``guessed`` is true if the last answer was computed from random numbers.
    """

    def __init__(self) -> None:
        self.guessed = False
        self._budget = _BUDGET
        self._given: Counter[int] = Counter()
        self._tensors: Counter[int] = Counter()
        self._varied: Callable[[], bool] = _always
        self._made: dict[int, _Made] = {}
        self._known: dict[int, Tensor] = {}
        self._random: set[int] = set()
        self._weights: set[int] = set()
        self._depth = 0

    def note(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Remember how the tensors of a result were made."""
        found = tensors_in((args, kwargs))
        weights = bool(found) and all(map(self._is_weight, found))
        for tensor in tensors(result):
            self._made[id(tensor)] = target, args, kwargs, result
            if weights:
                self._weights.add(id(tensor))

    def answer(
        self,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        asking: int = 0,
        varied: Callable[[], bool] = _always,
    ) -> Any:
        """The result of a call that fails without numbers; its tensors are on meta.

        ``asking`` identifies the module that asks, ``varied`` is true if it has layers that only
        some numbers lead to.
        """
        if self._given[asking] >= _MOST or self._tensors[asking] >= _MOST_TENSORS:
            raise NumbersUnknown("too many branches depend on the values of tensors")
        self.guessed, self._varied = False, varied
        if name_of(target) in _COMPARING and len(args) > 1 and args[0] is args[1]:
            return True  # attention asks so whether its query is the key, too
        found = hollow(self._run(target, args, kwargs))
        (self._tensors if isinstance(found, Tensor) else self._given)[asking] += 1
        return found

    def _run(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if getattr(target, "__name__", "") == "__getitem__" and isinstance(args[0], Tensor):
            return self._item(*args)
        if name_of(target) in _ARRANGING and isinstance(args[0], Tensor):
            args = (torch.zeros(args[0].shape, dtype=args[0].dtype), *args[1:])
        args, kwargs = mapped(args, self._numbers), mapped(kwargs, self._numbers)
        kwargs = {k: v for k, v in kwargs.items() if k != "device"}
        with torch.no_grad(), _CPU:
            if not isinstance(target, nn.Module):
                found = target(*args, **kwargs)
                routes = self.guessed and name_of(target) in _CHOOSING and not self._varied()
                return mapped(found, _alike) if routes else found
            states = dict((*target.named_parameters(), *target.named_buffers()))
            filled = {name: made_up(state) for name, state in states.items()}
            self.guessed = True
            return torch.func.functional_call(target, filled, args, kwargs)

    def _item(self, tensor: Tensor, index: Any) -> Any:
        """``tensor[index]``: a large tensor needs no numbers, only the index does.

        Unless the item's own numbers are asked for, and the tensor was made of others.
        """
        chosen = mapped(index, self._numbers)
        asked = self._depth and id(tensor) in self._made
        with torch.no_grad():
            large = tensor.numel() > _FEW and numbers_of(tensor) is None and not asked
            return (hollow(tensor) if large else self._numbers(tensor))[chosen]

    def _numbers(self, tensor: Tensor) -> Tensor:
        found = numbers_of(tensor)
        if found is None and (found := self._known.get(id(tensor))) is not None:
            self.guessed |= id(tensor) in self._random
        if found is None:
            self._budget -= tensor.numel()
            if tensor.numel() > LIMIT or self._budget < 0:
                raise NumbersUnknown("a branch depends on the values of a large tensor")
            before, self.guessed = self.guessed, False
            found = self._known[id(tensor)] = self._computed(tensor)
            if self.guessed:
                self._random.add(id(tensor))
            self.guessed |= before
        return found

    def _computed(self, tensor: Tensor) -> Tensor:
        made = self._made.get(id(tensor))
        if made is not None and self._depth < _DEPTH and not self._has_weights(made):
            target, args, kwargs, result = made
            place = next(i for i, t in enumerate(tensors(result)) if t is tensor)
            self._depth += 1
            try:
                with contextlib.suppress(Exception):
                    found = [*tensors(self._run(target, args, kwargs))][place]
                    if found.shape == tensor.shape and not found.is_meta:
                        return found
            finally:
                self._depth -= 1
        self.guessed = True
        return made_up(tensor)

    def _has_weights(self, made: _Made) -> bool:
        """True for a layer, and for a function of a weight."""
        target, args, kwargs, result = made
        found = [*tensors((args, kwargs))]
        own = {id(t) for t in tensors(result)}
        if isinstance(target, nn.Module) or any(id(t) in own for t in found):
            return True
        return any(map(self._is_weight, found))

    def _is_weight(self, tensor: Tensor) -> bool:
        """True for a parameter, and for what was made of parameters alone."""
        # what torch asks of each instance takes longer, and most are plain tensors
        own = type(tensor) is not Tensor and isinstance(tensor, nn.Parameter)
        return own or id(tensor) in self._weights


def _alike(tensor: Tensor) -> Tensor:
    """The numbers, all of them like the first: each token is sent to one expert alone.

    Experts run one code with other weights, so that one of them shows what all do.
    """
    return tensor.flatten()[:1].expand(tensor.shape).clone() if tensor.numel() else tensor


def is_doubtful(called: dict[int, int], asking: nn.Module, table: Table) -> bool:
    """True if a layer with weights of ``asking``, which asked for numbers, was not called.

    With other numbers, it might have been.
    """
    return any(id(m) not in called for m in _layers_with_weights(asking, table))


def _layers_with_weights(module: nn.Module, table: Table) -> Iterator[nn.Module]:
    """The leaf layers that have weights."""
    if is_leaf(module, table):  # an attention does not call its submodules
        if any(True for _ in (*module.parameters(), *module.buffers())):
            yield module
        return
    for child in module.children():
        yield from _layers_with_weights(child, table)
