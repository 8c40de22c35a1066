"""Models built from makers: calls are tried one by one, and failures are explained.

A model is built on ``meta`` first; on the CPU if that fails or values are needed.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from types import ModuleType

import torch
from torch import nn

from bnlint.domain.errors import is_out_of_memory
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import ModelRef
from bnlint.domain.request import ModelSpec
from bnlint.loading.parsing import Source
from bnlint.loading.stubs import Stub, StubUsed
from bnlint.loading.user_code import NoAccelerator, blame, denied_download
from bnlint.models.guessing.of_constructor import Lacking, find_calls
from bnlint.models.meta.meta_mode import MetaMode
from bnlint.models.survey import Maker, maker_of, resolve

_ATTEMPTS = 8
"""Calls that are tried for one maker."""

_MISSING = re.compile(r"missing \d+ required (positional|keyword)")


class NotAModel(TypeError):
    """The call returned something that is not a ``torch.nn.Module``."""


def build(make: Callable[[], object], weight_limit: int = 0) -> nn.Module:
    """The model that ``make`` returns, with real weights only up to ``weight_limit`` parameters.

    Raises what the user's code raised on the CPU, or on ``meta`` if the CPU would not help.
    """
    try:
        with MetaMode():
            model = _made(make)
    except BaseException as error:
        final = isinstance(error, (SystemExit, KeyboardInterrupt, StubUsed, NotAModel))
        if final or is_out_of_memory(error) or denied_download(error):
            raise  # as it would on the CPU
        return _made(make)
    if 0 < _parameters(model) <= weight_limit:
        with contextlib.suppress(Exception):  # what can only be built on meta can be traced, too
            return _made(make)
    return model


@dataclass(frozen=True, slots=True)
class Built:
    """A model, and what it is called in reports."""

    model: nn.Module
    ref: ModelRef


@dataclass(frozen=True, slots=True)
class Workshop:
    """Builds the models of one module; ``weight_limit`` is 0 if initial values are not needed."""

    module: ModuleType
    source: Source
    weight_limit: int = 0

    @property
    def file(self) -> str:
        """The path that refs and problems name."""
        return self.source.path

    def instance(self, name: str, model: nn.Module, origin: str = "instance") -> Built:
        """A model that the file itself has built."""
        return Built(model, ModelRef(self.file, name, origin))

    def named(self, spec: ModelSpec) -> Iterator[Built | Problem]:
        """Models that the user's words build, best first, or why there are none."""
        named = resolve(spec, vars(self.module), self.file)
        if isinstance(named, Problem):
            yield named
        elif isinstance(named.value, nn.Module) and named.call is None:
            yield self.instance(spec.call, named.value, "named")
        else:
            maker = maker_of(named.value, named.name, self.source)
            if named.call is None:
                yield from self.attempts(maker, named=True)
                return
            found = self._try(named.call)
            if isinstance(found, nn.Module):
                ref = ModelRef(self.file, named.name, "named", spec.call)
                yield Built(found, replace(ref, definition=maker.definition))
            else:
                yield self._failed(spec.call, found, maker, named=True, hint="")

    def attempts(self, maker: Maker, named: bool = False) -> Iterator[Built | Problem]:
        """Models by the calls that work, best first; the first failure if none does.

        Nothing at all if the maker does not return models after all, unless it was named.
        """
        failure: Problem | None = None
        works = False
        for guess in islice(find_calls(maker, self.source, vars(self.module)), _ATTEMPTS):
            if isinstance(guess, Lacking):
                failure = failure or self._lacking(maker, guess, named)
                continue
            text = guess.written(maker.name)  # the call may change its arguments
            found = self._try(partial(maker.make, *guess.args, **guess.kwargs))
            if isinstance(found, nn.Module):
                origin = "named" if named else maker.origin
                ref = ModelRef(self.file, maker.name, origin, text, guess.guessed)
                yield Built(found, replace(ref, definition=maker.definition, block=maker.part))
                works = True
                continue
            if not named and _is_no_maker(found, maker):
                return
            shown = f"{text} ({', '.join(guess.guessed)} made up)" if guess.guessed else text
            failure = failure or self._failed(shown, found, maker, named)
        if failure is not None and not works:
            yield failure

    def _try(self, make: Callable[[], object]) -> nn.Module | BaseException:
        try:
            with NoAccelerator():
                return build(make, self.weight_limit)
        except BaseException as error:  # the user's code may exit, too
            return error

    def _lacking(self, maker: Maker, lacking: Lacking, named: bool) -> Problem:
        return Problem(
            ProblemKind.NOT_BUILT,
            self.file,
            f"{maker.name} needs a value for `{lacking.parameter}`",
            self._hint(maker),
            maker.definition.line if maker.definition else 0,
            maker.name,
            blocking=named,
        )

    def _failed(
        self, call: str, error: BaseException, maker: Maker, named: bool, hint: str | None = None
    ) -> Problem:
        hint = self._hint(maker) if hint is None else hint
        if Stub.__name__ in str(error) or isinstance(error, (StubUsed, ModuleNotFoundError)):
            hint = "it needs a package that is not installed; install what the file imports"
        doing = f"building {call}"
        return blame(error, ProblemKind.NOT_BUILT, doing, self.file, maker.name, hint, named)

    def _hint(self, maker: Maker) -> str:
        if not maker.required:
            return ""
        required = ", ".join(f"{p.name}=..." for p in maker.required)
        return f"say how to build it: bnlint '{self.source.name}::{maker.name}({required})'"


def _is_no_maker(found: object, maker: Maker) -> bool:
    """True for a function that returns something else, or only passes on keywords it requires."""
    if isinstance(found, NotAModel):
        return True
    lacks = isinstance(found, TypeError) and bool(_MISSING.search(str(found)))
    return lacks and maker.origin == "factory" and not maker.required


def _made(make: Callable[[], object]) -> nn.Module:
    torch.manual_seed(0)
    random.seed(0)
    model = make()
    if not isinstance(model, nn.Module):
        raise NotAModel(f"it gives {type(model).__name__}, not a torch.nn.Module")
    return model


def _parameters(model: nn.Module) -> int:
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
        return 0
    return sum(p.numel() for p in model.parameters())
