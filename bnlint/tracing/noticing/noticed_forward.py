"""Inputs guessed from what a forward does with unknown ones while it runs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bnlint.layers.table import Table, is_leaf
from bnlint.models.guessing.guess import Guess, describe
from bnlint.models.guessing.inputs.asked import Asked, optional_inputs, required_inputs
from bnlint.models.guessing.inputs.of_forward import called, guessed_for
from bnlint.models.guessing.inputs.of_layers import stated
from bnlint.models.guessing.inputs.of_use import values_of
from bnlint.models.lexicon import TENSORS as CREATORS
from bnlint.models.nested import tensors
from bnlint.models.reading.axes import JOINING, rank_taken_by
from bnlint.models.reading.read_forward import read_forward
from bnlint.models.reading.use import Use
from bnlint.tracing.crashes import wants_packed
from bnlint.tracing.fitting.statements import failed_statement, keys_looked_up, values_named
from bnlint.tracing.fitting.watching import Attempt, attempt
from bnlint.tracing.forward import Runnable, Subscriber, TorchFunction
from bnlint.tracing.noticing.noticed_part import NoticedPart
from bnlint.tracing.noticing.unknown_input import UnknownInput, part_of
from bnlint.tracing.search_clock import SearchClock

_ROUNDS = 4
"""Forwards with unknown inputs; each knows what was noticed in those before it."""

_TAKE_SIZES = frozenset({*CREATORS, "view", "reshape", "expand", "repeat"})
_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "rsub", "pow", "true_divide", "floor_divide"})


def noticed_guesses(
    model: nn.Module, table: Table, prepare: Callable[[], None], clock: SearchClock
) -> tuple[Guess, ...]:
    """The calls that may work after what forwards did with unknown inputs; empty if with none.

    ``prepare`` is called before each forward.
    """
    uses = read_forward(model)
    found: tuple[Guess, ...] = ()
    noticing = _Noticing(model, table, uses)
    for _ in clock.within(range(_ROUNDS)):
        prepare()
        seen = noticing.run()
        before, found = _written(found), guessed_for(model, uses)
        if not seen.ended or not (noticing.learns_from(seen) or _written(found) != before):
            break
    return tuple(replace(g, optional=True) for g in found) if noticing.all_inputs else found


def _written(guesses: tuple[Guess, ...]) -> list[Any]:
    return [(describe(guess), guess.written("")) for guess in guesses]


class _Noticing:
    """Runs of one forward, and what was noticed of the use of its inputs.

    ``eager`` are the identities of uses that need a value at once. ``all_inputs`` is true if
    inputs that are None by default are given, too, since the forward failed without them.
    """

    def __init__(self, model: nn.Module, table: Table, uses: Mapping[str, Use]) -> None:
        self.model, self.table, self.uses = model, table, uses
        self.sizes = stated(model)
        self.eager: set[int] = set()
        self.all_inputs = False

    def run(self) -> Attempt:
        """A forward with unknown inputs."""
        asked = required_inputs(self.model, self.uses)
        others = optional_inputs(self.model, {one.name for one in asked}, self.uses)
        call = called(asked, tuple(map(self._unknown, asked)), self.model)
        if self.all_inputs:
            more = {one.name: self._unknown(one) for one in others}
            call = replace(call, kwargs={**call.kwargs, **more})
        return attempt(self.model, self.table, call, _Noticer(self.table))

    def learns_from(self, seen: Attempt) -> bool:
        """True if the error that ended a forward says how the next one gets further."""
        fault = seen.faults[-1]
        statement = failed_statement(fault.error)
        if statement is not None and (asked := _key_asked(fault.error)) is not None:
            asked.use.literals += keys_looked_up(statement)
            return bool(asked.use.literals)
        parts = [] if statement is None else list(map(part_of, values_named(statement)))
        news = {id(p.use) for p in parts if p is not None and not p.is_found} - self.eager
        self.eager |= news
        news |= self._packed(fault.text)
        refused = statement is not None and isinstance(statement.node, (ast.Raise, ast.Assert))
        absent = not self.all_inputs and (refused or "NoneType" in fault.text)
        self.all_inputs |= absent
        return bool(news) or absent

    def _packed(self, said: str) -> set[int]:
        """The uses newly found to be of packed sequences, after an error that asks for one."""
        uses = [use for use in self.uses.values() if use.readers or use.mixers]
        read = [use for use in uses if any(isinstance(m, nn.RNNBase) for m, _ in use.readers)]
        found = (read or uses[:1]) if wants_packed(said) else []
        new = [use for use in found if "batch_sizes" not in use.attributes]
        for use in new:
            use.attribute("batch_sizes")
        return set(map(id, new))

    def _unknown(self, asked: Asked) -> Any:
        part = NoticedPart(asked, self._values, self._unknown)
        return part.value() if id(asked.use) in self.eager else UnknownInput(part)

    def _values(self, asked: Asked) -> list[Any]:
        return values_of(asked, self.model, self.sizes)


def _key_asked(error: BaseException) -> NoticedPart | None:
    """The input that was no key of a dict."""
    return part_of(error.args[0]) if isinstance(error, KeyError) and error.args else None


class _Noticer(Subscriber):
    """Gives layers and functions of torch values for unknown inputs, and notes who takes them."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._sources: dict[int, tuple[NoticedPart, ...]] = {}
        self._alive: list[Any] = []

    def module(self, module: nn.Module, run: Runnable) -> Runnable:
        """A layer that is one operation; the forward of any other notices more itself."""
        if not (is_leaf(module, self.table) or isinstance(module, torch.jit.ScriptModule)):
            return run

        def taking(*args: Any, **kwargs: Any) -> Any:
            for place, value in _placed(args, kwargs):
                self._note_reader(module, place, value)
            result = run(*self._settled(args), **self._settled(kwargs))
            if not any(True for _ in module.parameters()):
                self._pass_on((args, kwargs), result)
            return result

        return taking

    def function(self, function: TorchFunction, run: Runnable) -> Runnable:
        """A function of torch."""
        name = function.name

        def taking(*args: Any, **kwargs: Any) -> Any:
            for place, value in _placed(args, kwargs):
                for part in _parts_in(value):
                    _note_function(part, name, place, whole=part is part_of(value))
            result = run(*self._settled(args), **self._settled(kwargs))
            self._pass_on((args, kwargs), result)
            return result

        return taking

    def _note_reader(self, module: nn.Module, place: int | str, value: Any) -> None:
        part = part_of(value)
        if part is not None:
            part.use.readers.append((module, place))
            if place == 0 and (rank := rank_taken_by(module)):
                part.use.has_rank(rank)
            return
        for tensor in tensors(value):
            for source in self._sources.get(id(tensor), ()):
                if place == 0 and source.found is tensor:
                    source.use.readers.append((module, place))
                elif place == 0 and module not in source.use.mixers:
                    source.use.mixers.append(module)

    def _settled(self, value: Any) -> Any:
        """The value with one for each unknown input in it."""
        if (part := part_of(value)) is not None:
            found = part.value()
            for tensor in tensors(found):
                self._follow(tensor, (part,))
            return found
        if type(value) in (list, tuple):
            return type(value)([self._settled(each) for each in value])
        if type(value) is dict:
            return {key: self._settled(each) for key, each in value.items()}
        return value

    def _pass_on(self, given: Any, result: Any) -> None:
        sources = {s for t in tensors(self._settled(given)) for s in self._sources.get(id(t), ())}
        if sources:
            for tensor in tensors(result):
                self._follow(tensor, tuple(sources))

    def _follow(self, tensor: torch.Tensor, sources: tuple[NoticedPart, ...]) -> None:
        self._alive.append(tensor)  # so that its id stays its own
        self._sources.setdefault(id(tensor), sources)


def _placed(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[tuple[int | str, Any]]:
    yield from enumerate(args)
    yield from kwargs.items()


def _parts_in(value: Any) -> Iterator[NoticedPart]:
    if (part := part_of(value)) is not None:
        yield part
    elif type(value) in (list, tuple):
        for each in value:
            yield from _parts_in(each)


def _note_function(part: NoticedPart, name: str, place: int | str, *, whole: bool) -> None:
    """Note a function that takes an unknown input, as a whole or inside of a list."""
    use, plain = part.use, name.strip("_")
    if part.is_found:
        return
    if plain in _ARITHMETIC:
        use.note_function("arithmetic", 0)
    elif plain == "getitem":
        use.note_function("subscript", 1)
    elif plain in _TAKE_SIZES and (place != 0 or name in CREATORS):
        use.counts = True
    elif whole and plain in JOINING and place in (0, "tensors"):
        use.iterated = True
    else:
        use.tensor = not (use.keys or use.attributes)
        use.note_function(name, place)
