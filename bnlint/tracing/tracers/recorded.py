"""The forward, run on ``meta`` tensors while its operations are recorded.

Control flow is executed, so this traces models that symbolic tracing cannot; it needs inputs.
Tensors are recognized by identity. A call that returns one of its arguments (an in-place operation,
an identity) therefore returns an alias, so that the values before and after it differ.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from bnlint.domain.phrases import first_line
from bnlint.layers.calls import RAISED, UNSEEN, Call, name_of
from bnlint.layers.shapes import quick
from bnlint.layers.table import Table, is_leaf
from bnlint.loading.sites import call_frames
from bnlint.models.guessing.guess import Guess, leaves_out
from bnlint.models.meta.known_numbers import hollow, wants_numbers
from bnlint.models.meta.meta_mode import on_meta
from bnlint.models.nested import placed, tensors, tensors_in
from bnlint.tracing.bare import attributes_kept
from bnlint.tracing.crashes import ASSERTIONS, Circumstances, is_own_fault
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction, WatchedForward
from bnlint.tracing.forward.devices import ASKS_DEVICE, told_device
from bnlint.tracing.forward.module_names import Registry
from bnlint.tracing.reasons import is_limit
from bnlint.tracing.shapes import on_bare_weights, substitute
from bnlint.tracing.tracers import Record, Refused
from bnlint.tracing.tracers.answers import Answers, is_doubtful
from bnlint.tracing.tracers.autograd import intercept_autograd
from bnlint.tracing.tracers.call_book import CallBook
from bnlint.tracing.tracers.guards import passing_answer
from bnlint.tracing.tracers.outside import inside, kept_by

_FEW = 32
"""Pairs of tensors that are compared one by one, which is quicker than to ask for identities."""


def record_forward(model: nn.Module, table: Table, call: Guess, path: str = "") -> Record:
    """The record of the forward with the arguments of ``call``; refused if it raises an error.

    The model may be registered at ``path`` in a larger one.
    """
    registry = Registry(model, path)
    recorder = ForwardRecorder(WatchedForward(registry, table))
    recorder.record.left_out = leaves_out(model.forward, call)
    args, kwargs = recorder.enter(call)
    try:
        with attributes_kept(model), recorder.watching():
            result = model(*args, **kwargs)
    except Exception as error:  # the user's forward may raise anything
        where = recorder.failed_in or registry.path(registry.root)
        recorder.record.refused.append(Refused.after(error, where))
        recorder.crashed(error, where)
    else:
        recorder.leave(result)
        recorder.doubt()
    recorder.record.strays = registry.outermost_strays()
    return recorder.record


class ForwardRecorder(Subscriber):
    """Records every call of a leaf layer, and every tensor function outside one."""

    def __init__(self, watched: WatchedForward) -> None:
        self.watched = watched
        self.registry, self.table = watched.registry, watched.table
        self.record = Record("recorded")
        self.failed_in: str | None = None
        self.failed_at: tuple[BaseException, Call] | None = None
        self.returned_nothing = False
        self._quiet = 0
        self._book = CallBook(watched, self.record)
        self._answers = Answers()
        self._asking: dict[nn.Module, Refused] = {}

    # --- the ends of the record ---

    def enter(self, candidate: Guess) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments to call the model with; each tensor becomes an input of the record."""
        names = [*map(str, range(len(candidate.args))), *candidate.kwargs]
        values = [*candidate.args, *candidate.kwargs.values()]
        fresh = [self._book.input(name, value) for name, value in zip(names, values, strict=True)]
        count = len(candidate.args)
        return tuple(fresh[:count]), dict(zip(candidate.kwargs, fresh[count:], strict=True))

    def leave(self, result: Any) -> None:
        """Note the tensors that the model returned as outputs of the record."""
        for place, tensor in placed(result, torch.Tensor):
            ref = self._book.ref(tensor)
            if ref is not None:
                self.record.outputs.append(ref)
                self.record.places.append(place)
        held = (*kept_by(self.registry.modules), *inside(result))
        beside = {ref.id for ref in self._book.refs(held)}
        kept = (self._book.numbers.read | beside).difference(ref.id for ref in self.record.outputs)
        for call in self.record.calls:
            call.kept = call.kept or call.id in kept

    def crashed(self, error: Exception, path: str) -> None:
        """Note the call that ended the forward, or else the line; not for want of numbers."""
        if is_limit(error):
            return
        at = self.failed_at
        called = at is not None and at[0] is error
        call = at[1] if at is not None and called else self._book.raised(error, path)
        self.record.crash = call
        context = Circumstances(
            call.target != RAISED, self.record.left_out, self.returned_nothing,
            asserted=name_of(call.target) in ASSERTIONS,
        )  # fmt: skip
        self.record.crash_is_own = is_own_fault(error, context)

    def doubt(self) -> None:
        """Refuse modules in which a guessed number may have decided that a layer is not called."""
        for module, refused in self._asking.items():
            if is_doubtful(self.record.called, module, self.table):
                self.record.refused.append(refused)

    # --- watching ---

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note module calls, tensor functions and autograd functions inside the block."""
        with intercept_autograd(self._autograd), self.watched.by(self):
            yield

    def module(self, module: nn.Module, run: Runnable) -> Runnable:
        """A leaf as one operation; for another module, its path is noted if it raises."""
        counts = self.record.called
        counts[id(module)] = counts.get(id(module), 0) + 1
        if self._quiet:
            return run
        path = self.registry.path(module)
        if is_leaf(module, self.table):
            return self._leaf(module, path, run)

        def followed(*args: Any, **kwargs: Any) -> Any:
            self.record.entered.setdefault(id(module), Guess(args, kwargs))
            try:
                with self._book.inside(sys._getframe()):
                    result = run(*args, **kwargs)
            except Exception:
                self.failed_in = self.failed_in or path
                raise
            self.returned_nothing |= result is None
            return result

        return followed

    def _leaf(self, module: nn.Module, path: str, run: Runnable) -> Runnable:
        def bare(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = hollow(args), hollow(kwargs)
            found = quick(module, args, kwargs)
            return on_bare_weights(module, run, args, kwargs) if found is None else found

        return lambda *args, **kwargs: self._observe(module, bare, args, kwargs, path)

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """The function, run on meta, and recorded if its result holds tensors."""
        if function.func == ASKS_DEVICE:
            return told_device
        func, plain = function.func, run

        def by_formula(*args: Any, **kwargs: Any) -> Any:
            found = quick(func, args, kwargs)
            return plain(*args, **kwargs) if found is None else found

        run = on_meta(func, by_formula)

        def observed(*args: Any, **kwargs: Any) -> Any:
            if self._quiet:
                return run(*args, **kwargs)
            return self._observe(func, run, args, kwargs)

        return observed

    def _autograd(self, cls: Any, apply: Runnable, args: tuple[Any, ...], kwargs: Any) -> Any:
        if self._quiet:
            return apply(*args, **kwargs)
        return self._observe(cls, apply, args, kwargs)

    def _observe(
        self,
        target: Any,
        run: Runnable,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        path: str | None = None,
    ) -> Any:
        try:
            result, error = self._result(target, run, args, kwargs)
        except Exception as raised:
            said = first_line(str(raised).strip())
            self.failed_at = raised, self._book.call(target, args, kwargs, path, UNSEEN, said)
            raise
        if getattr(target, "__name__", "") == "__setitem__":
            self._note(target, args, kwargs, path, args[0], error)
            return result
        if not (made := tensors_in(result)):
            self._book.read_number(target, (args, kwargs), result)
            return result
        if _overlap(made, tensors_in((args, kwargs))):
            self._quiet += 1  # the alias is no operation of the model
            result = self._apart(result, args, kwargs)
            self._quiet -= 1
        self._note(target, args, kwargs, path, result, error)
        return result

    def _result(
        self, target: Any, run: Runnable, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, str | None]:
        """The result of the call, or the most likely one and the error."""
        self._quiet += 1
        try:
            return run(*args, **kwargs), None
        except Exception as error:
            if wants_numbers(error):
                return self._answer(target, args, kwargs, error), None
            result = substitute(target, self.table, args)
            if result is UNSEEN or "got an unexpected keyword" in str(error):
                raise  # the caller may catch what a layer raises for its arguments
            return result, first_line(str(error).strip())
        finally:
            self._quiet -= 1

    def _answer(
        self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
    ) -> Any:
        """The result of a call that needs numbers."""
        asker = self.watched.running()
        varied = partial(is_doubtful, self.record.called, asker, self.table)
        try:
            found = self._answers.answer(target, args, kwargs, id(asker), varied)
        except Exception as raised:
            if self._answers.guessed and name_of(target) in ASSERTIONS:
                return None
            raise raised from error
        if self._answers.guessed:
            if isinstance(found, bool) and (passing := passing_answer()) is not None:
                return passing
            refused = Refused(self.watched.path, first_line(str(error)), call_frames())
            # a decision is made where it is asked for; a number or an index may be returned
            self._asking.setdefault(
                self.watched.running(0 if isinstance(found, bool) else 1), refused
            )
        return found

    def _apart(self, result: Any, args: Any, kwargs: Any) -> Any:
        """``result`` with aliases instead of tensors that are arguments of the call."""
        known = _ids((args, kwargs))

        def one(tensor: Any) -> Any:
            if isinstance(tensor, torch.Tensor) and id(tensor) in known:
                return tensor.view_as(tensor)
            return tensor

        return pytree.tree_map(one, result)

    def _note(
        self, target: Any, args: Any, kwargs: Any, path: str | None, result: Any, error: str | None
    ) -> None:
        self._book.note(target, args, kwargs, path, result, error)
        self._answers.note(target, args, kwargs, result)


def _overlap(made: list[torch.Tensor], given: list[torch.Tensor]) -> bool:
    """True if a tensor is in both."""
    if len(made) * len(given) > _FEW:
        return bool({*map(id, made)}.intersection(map(id, given)))
    return any(one is other for one in made for other in given)


def _ids(value: Any) -> set[int]:
    return set(map(id, tensors(value)))
