"""One forward on meta: what failed in it, and from which inputs each tensor comes.

A layer or function that fails is replaced by its most likely result, so that the forward goes on
and later failures are seen, too.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.layers.calls import UNSEEN, name_of
from bnlint.layers.shapes import quick
from bnlint.layers.table import Table, is_leaf
from bnlint.models.guessing.guess import Guess
from bnlint.models.meta.known_numbers import hollow, wants_numbers
from bnlint.models.meta.meta_mode import on_meta
from bnlint.models.nested import tensors, with_tensors
from bnlint.tracing.bare import attributes_kept
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction, WatchedForward
from bnlint.tracing.forward.devices import ASKS_DEVICE, told_device
from bnlint.tracing.forward.module_names import Registry
from bnlint.tracing.shapes import on_bare_weights, substitute
from bnlint.tracing.tracers.answers import Answers

_REARRANGING = frozenset({"view", "reshape", "flatten", "_unsafe_view", "unflatten", "Flatten"})
_TURNING = frozenset({"transpose", "permute", "swapaxes", "swapdims", "movedim", "moveaxis", "t"})

Key = tuple[int, int]
"""The identity of what was called, and how often that was called before in the same forward."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Where a tensor comes from.

    ``slots`` are the numbers of the inputs; ``straight`` are those that reach it past all layers
    with weights, so that they bring their own channels. ``merged`` is true if axes were joined or
    split after the last such layer, ``single`` if that made one sample of several, ``turned`` if
    axes were swapped, so that a layer may read the steps of a sequence as its features.
    """

    slots: frozenset[int]
    straight: frozenset[int]
    merged: bool = False
    single: bool = False
    turned: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """An operation that raised an error; ``target`` is None for an error of the user's own code."""

    target: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    error: BaseException
    step: int
    key: Key
    trails: Mapping[int, Trail]
    ended: bool = False

    @property
    def text(self) -> str:
        """What the error says, in one line."""
        return " ".join(str(self.error).split())

    def trail(self, tensor: torch.Tensor) -> Trail | None:
        """Where a tensor comes from; None for weights and constants."""
        return self.trails.get(id(tensor))


@dataclass(slots=True)
class Attempt:
    """A forward with one guess: the failures in their order, and the trails of all tensors."""

    guess: Guess
    faults: list[Fault] = field(default_factory=list)
    trails: dict[int, Trail] = field(default_factory=dict)
    alive: list[Any] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)

    @property
    def ended(self) -> bool:
        """True if the forward did not reach its end."""
        return any(fault.ended for fault in self.faults)

    def fault(self, key: Key) -> Fault | None:
        """The failure of the same call, if it failed here, too."""
        return next((fault for fault in self.faults if fault.key == key), None)

    def passed(self, key: Key) -> bool:
        """True if the same call was reached and did not fail."""
        return self.counts[key[0]] > key[1] and self.fault(key) is None


def attempt(model: nn.Module, table: Table, guess: Guess, *beside: Subscriber) -> Attempt:
    """Run the forward with ``guess``; errors become faults. ``beside`` see it first."""
    watcher = _Watcher(table, Attempt(guess))
    args, kwargs = watcher.enter(guess)
    try:
        with (
            attributes_kept(model),
            torch.no_grad(),
            WatchedForward(Registry(model), table).by(watcher, *beside),
        ):
            model(*args, **kwargs)
    except Exception as error:  # the user's forward may raise anything
        watcher.end(error)
    return watcher.seen


class _Watcher(Subscriber):
    """Follows the tensors through the operations of a forward."""

    def __init__(self, table: Table, seen: Attempt) -> None:
        self.table, self.seen = table, seen
        self._step = 0
        self._quiet = 0
        self._raised: Fault | None = None
        self._answers = Answers()

    def enter(self, guess: Guess) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with a tensor of its own for each input."""

        def one(tensor: torch.Tensor) -> torch.Tensor:
            fresh, slot = tensor.clone(), len(self.seen.trails)
            self._follow(fresh, Trail(frozenset({slot}), frozenset({slot})))
            return fresh

        args, kwargs = with_tensors((guess.args, dict(guess.kwargs)), one)
        return args, kwargs

    def end(self, error: Exception) -> None:
        """Note the error that ended the forward."""
        raised = self._raised
        if raised is None or raised.error is not error:
            raised = Fault(None, (), {}, error, self._step, (0, 0), self.seen.trails, True)
        self.seen.faults.append(raised)

    def module(self, module: nn.Module, run: Runnable) -> Runnable:
        """A leaf as one operation."""
        if self._quiet or not is_leaf(module, self.table):
            return run

        def bare(*args: Any, **kwargs: Any) -> Any:
            return on_bare_weights(module, run, hollow(args), hollow(kwargs))

        return lambda *args, **kwargs: self._observe(module, bare, args, kwargs)

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """Every function of torch outside a leaf, with what is made elsewhere on meta, too."""
        if function.func == ASKS_DEVICE:
            return told_device
        on_one_device = on_meta(function.func, run)

        def observed(*args: Any, **kwargs: Any) -> Any:
            if self._quiet:
                return on_one_device(*args, **kwargs)
            return self._observe(function.func, on_one_device, args, kwargs)

        return observed

    def _observe(
        self, target: Any, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self._step += 1
        key = id(target), self.seen.counts[id(target)]
        self.seen.counts[id(target)] += 1
        with self._whole():
            try:
                found = quick(target, args, kwargs)
                result = run(*args, **kwargs) if found is None else found
            except Exception as error:
                result = self._answer(target, args, kwargs, error)
                if result is not UNSEEN:
                    self._pass_on(target, args, kwargs, result)
                    return result
                result = substitute(target, self.table, args)
                ended = result is UNSEEN
                trails = self._trails_of(args, kwargs) or self.seen.trails  # an assertion has none
                fault = Fault(target, args, kwargs, error, self._step, key, trails, ended)
                if ended:
                    self._raised = fault
                    raise
                self.seen.faults.append(fault)
        self._pass_on(target, args, kwargs, result)
        return result

    def _answer(self, target: Any, args: Any, kwargs: Any, error: Exception) -> Any:
        """The result of a call that needs numbers; UNSEEN for another one."""
        if not wants_numbers(error):
            return UNSEEN
        try:
            return self._answers.answer(target, args, kwargs)
        except Exception:
            return UNSEEN

    @contextlib.contextmanager
    def _whole(self) -> Any:
        """Inside the block, what an operation calls itself is not looked at."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def _pass_on(self, target: Any, args: Any, kwargs: Any, result: Any) -> None:
        results = list(tensors(result))
        if not results:
            return
        self._answers.note(target, args, kwargs, result)
        found = list(self._trails_of(args, kwargs).values())
        if not found:
            return
        slots = frozenset().union(*(trail.slots for trail in found))
        if self._has_weights(target, args, kwargs):
            trail = Trail(slots, frozenset())
        else:
            merged = name_of(target) in _REARRANGING or any(trail.merged for trail in found)
            single = _makes_one(target, args) or any(trail.single for trail in found)
            turned = name_of(target) in _TURNING or any(trail.turned for trail in found)
            straight = frozenset().union(*(trail.straight for trail in found))
            trail = Trail(slots, straight, merged, single, turned)
        for tensor in results:
            self._follow(tensor, trail)

    def _trails_of(self, args: Any, kwargs: Any) -> dict[int, Trail]:
        known = self.seen.trails
        return {id(t): known[id(t)] for t in tensors((args, kwargs)) if id(t) in known}

    def _has_weights(self, target: Any, args: Any, kwargs: Any) -> bool:
        """True for what determines the channels of its result: a conv, not a norm."""
        if isinstance(target, nn.Module):
            kind = self.table.of_module(target)
            weighted = any(True for _ in target.parameters())
        else:
            kind = self.table.of_function(name_of(target))
            weighted = any(isinstance(t, nn.Parameter) for t in tensors((args, kwargs)))
        return weighted and (kind is None or "norm" not in kind.tags)

    def _follow(self, tensor: torch.Tensor, trail: Trail) -> None:
        self.seen.alive.append(tensor)  # so that its id stays its own
        self.seen.trails[id(tensor)] = trail


def _makes_one(target: Any, args: Any) -> bool:
    """True for ``x.view(1, 1, -1)`` of several samples."""
    if name_of(target) not in ("view", "reshape") or len(args) < 2:
        return False
    x, first = args[0], args[1]
    first = first[0] if isinstance(first, (tuple, list)) and first else first
    return isinstance(x, torch.Tensor) and x.ndim > 0 and first == 1 != x.shape[0]
