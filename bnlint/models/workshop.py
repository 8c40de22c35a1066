"""Models built from makers: calls are tried one by one, and failures are explained."""

from __future__ import annotations

import ast
import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import ModuleType
from typing import Any

from torch import nn

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import Location, ModelRef
from bnlint.domain.request import ModelSpec
from bnlint.loading.missing.stubs import Stub, StubUsed
from bnlint.loading.parsing import Source
from bnlint.loading.patience import limited
from bnlint.loading.provisions import let_settings_be_set
from bnlint.loading.user_code import NoAccelerator, blame
from bnlint.loading.weights import LEFT_OUT, left_out, mark
from bnlint.models.advice import command
from bnlint.models.building import NotAModel, build, parameters_of
from bnlint.models.call_tries import Tried, tries
from bnlint.models.guessing.absent_names import AbsentNames, supply
from bnlint.models.guessing.arguments.knowledge import Lacking
from bnlint.models.guessing.arguments.of_constructor import CallEvidence
from bnlint.models.guessing.guess import Guess
from bnlint.models.held_modules import not_set_up, uncover_methods
from bnlint.models.survey import Maker, maker_named, maker_of, resolve
from bnlint.models.unfinished import unfinished

_PATIENCE = 15
"""The seconds that a constructor may compute with guessed arguments."""

_OF_IMPORTS = (ImportError, AttributeError, RuntimeError)
"""What imports inside of a constructor raise."""

_LACKS = 8
"""What other packages lack that is replaced for one call."""

_REFUSALS = (LookupError, OSError, ValueError, AssertionError, RuntimeError, SystemExit)
"""What code raises that insists on weights."""

_SMALL = 50_000_000
"""Parameters of a model whose initial values are read, however many other models had."""

_MISSING = re.compile(r"missing \d+ required (positional|keyword)")


def _never(_: Exception) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Built:
    """A model, what it is called in reports, and the pretrained weights that it did not get.

    ``guess`` is the call of ``maker`` that built it, if bnlint made the call.
    """

    model: nn.Module
    ref: ModelRef
    weights: tuple[str, ...] = ()
    maker: Maker | None = None
    guess: Guess | None = None


@dataclass(slots=True)
class Workshop:
    """Builds the models of one module; ``weight_limit`` is 0 if initial values are not needed.

    Once they have so many parameters together, only small ones are built for real: variants of one
    large model would take as long again each. Those ``to_run`` are real even without parameters.
    What statements that were ``lost`` should have set is guessed. ``unblock`` is true if something
    was added for an error, so that another try gets further.
    """

    module: ModuleType
    source: Source
    weight_limit: int = 0
    to_run: bool = False
    lost: tuple[ast.stmt, ...] = ()
    unblock: Callable[[Exception], bool] = _never
    real: int = field(default=0, init=False)
    absent: AbsentNames = field(init=False)
    evidence: CallEvidence = field(init=False)

    def __post_init__(self) -> None:
        names = vars(self.module)
        self.absent = supply(self.source, names, self.lost)
        known, absent = self.absent.apart_from(names), self.absent
        self.evidence = CallEvidence(self.source, known, absent.guessed, absent.computed)

    @property
    def file(self) -> str:
        """The path that refs and problems name."""
        return self.source.path

    def instance(self, name: str, model: nn.Module, origin: str = "instance") -> Built | Problem:
        """A model that the file itself has built; a Problem if torch could not use it."""
        if fault := not_set_up(model):
            kind, text = ProblemKind.NOT_BUILT, f"{name} cannot be checked: {fault}"
            return Problem(kind, self.file, text, model=name, blocking=origin == "named")
        if (lost := unfinished(model, self.lost, vars(self.module))) is not None:
            text = f"{name} is not as the file makes it: a statement that changes it did not run"
            hint = "build it in a function or class, so that it needs nothing else of the file"
            return Problem(ProblemKind.NOT_BUILT, self.file, text, hint, lost.lineno, name)
        uncover_methods(model)
        return self._built(model, ModelRef(self.file, name, origin), ())

    def named(self, spec: ModelSpec) -> Iterator[Built | Problem]:
        """Models that the user's words build, best first, or why there are none."""
        named = resolve(spec, self._names(spec), self.file)
        if isinstance(named, Problem):
            yield named
        elif isinstance(named.value, nn.Module) and named.call is None:
            yield self.instance(spec.call, named.value, "named")
        else:
            if named.call is None:
                yield from self.attempts(maker_named(self.module, self.source, named), named=True)
                return
            maker = maker_of(named.value, named.name, self.source)
            before = len(LEFT_OUT.sources)
            found = self._try(named.call)
            if isinstance(found, nn.Module):
                assumed = self.absent.behind(maker.root)
                ref = ModelRef(self.file, named.name, "named", spec.call, assumed)
                asked = LEFT_OUT.sources[before:]
                yield self._built(found, replace(ref, definition=maker.definition), asked)
            else:
                yield self._failed(spec.call, found, maker, named=True, hint="")

    def _names(self, spec: ModelSpec) -> dict[str, Any]:
        """What the user may name: the names of the module, with one that it has only when asked."""
        names = dict(vars(self.module))
        first = re.match(r"\w*", spec.call.strip())
        if first and first[0] not in names:
            with contextlib.suppress(Exception):
                names[first[0]] = getattr(self.module, first[0])
        return names

    def attempts(self, maker: Maker, named: bool = False) -> Iterator[Built | Problem]:
        """Models by the calls that work, best first; the first failure if none does.

        Nothing at all if the maker does not return models after all, unless it was named.
        """
        failure: Problem | None = None
        works = False
        before = len(LEFT_OUT.sources)
        for guess, found in self._tries(maker):
            if isinstance(guess, Lacking):
                failure = failure or self._lacking(maker, guess, named)
                continue
            text = "" if maker.origin == "instance" else guess.written(maker.name)
            if isinstance(found, nn.Module):
                origin = "named" if named else maker.origin
                ref = ModelRef(self.file, maker.name, origin, text, self._assumed(guess, maker))
                ref = replace(ref, definition=maker.definition, block=maker.part, found=guess.place)
                made = self._built(found, ref, LEFT_OUT.sources[before:])
                yield replace(made, maker=maker, guess=guess)
                before = len(LEFT_OUT.sources)
                works = True
                continue
            if not named and _is_no_maker(found, maker):
                return
            failure = failure or self._refused(guess, found, maker, named)
        if failure is not None and not works:
            yield failure

    def rebuilt(self, built: Built, guess: Guess) -> Built | None:
        """The same model by another call; None if that call fails."""
        maker = built.maker
        found = self._try(partial(guess.call, maker.make)) if maker else None
        if maker is None or not isinstance(found, nn.Module):
            return None
        text, guessed = guess.written(maker.name), self._assumed(guess, maker)
        ref = replace(built.ref, arguments=text, guessed=guessed)
        return replace(built, model=found, ref=ref, guess=guess)

    def _assumed(self, guess: Guess, maker: Maker) -> tuple[str, ...]:
        """What was guessed for a call: its arguments, and names that the code behind it reads."""
        return (*guess.assumed(), *self.absent.behind(maker.root))

    def _refused(self, guess: Guess, error: BaseException, maker: Maker, named: bool) -> Problem:
        """The problem with a call that was tried, and how to say a better one."""
        text, guessed = guess.written(maker.name), ", ".join(self._assumed(guess, maker))
        if guess.place is not None:
            at = _written(guess.place)
            text += f" (found in {at}; {guessed} guessed)" if guessed else f" (found in {at})"
        elif guessed:
            text += f" ({guessed} guessed)"
        hint = _advice(command(maker, self.evidence, (guess, error)))
        return self._failed(text, error, maker, named, hint)

    def _built(self, model: nn.Module, ref: ModelRef, asked: Sequence[str]) -> Built:
        """The model, which keeps its initial weights where others were asked for."""
        marked = [name for _, name in left_out(model)]
        if asked and not marked:  # they may have gone anywhere
            mark(model, asked[-1])
        return Built(model, ref, tuple(dict.fromkeys([*marked, *asked])))

    def _tries(self, maker: Maker) -> Iterator[Tried]:
        """Each call of the maker that is tried with what became of it."""

        def attempt(guess: Guess) -> nn.Module | BaseException:
            with limited(_PATIENCE if self._assumed(guess, maker) else 0):
                return self._try(partial(guess.call, maker.make))

        return tries(maker, self.evidence, attempt)

    def _try(self, make: Callable[[], object]) -> nn.Module | BaseException:
        asked = LEFT_OUT.asked
        found = self._try_once(make)
        for _ in range(_LACKS):
            if not (isinstance(found, _OF_IMPORTS) and self.unblock(found)):
                break
            found = self._try_once(make)
        if LEFT_OUT.asked > asked and (isinstance(found, _REFUSALS) or type(found) is Exception):
            with LEFT_OUT.pretending():  # the code insists on weights, or asks for an entry of them
                again = self._try_once(make)
            return again if isinstance(again, nn.Module) else found
        return found

    def _try_once(self, make: Callable[[], object]) -> nn.Module | BaseException:
        let_settings_be_set()
        try:
            with NoAccelerator():
                model = build(make, self._limit(), to_run=self.to_run)
        except BaseException as error:  # the user's code may exit, too
            return error
        if not any(parameter.is_meta for parameter in model.parameters()):
            self.real += parameters_of(model)
        return model

    def _limit(self) -> int:
        """The parameters of a model that is built for real now."""
        left = self.weight_limit if self.to_run else self.weight_limit - self.real
        return max(left, min(self.weight_limit, _SMALL))

    def _lacking(self, maker: Maker, lacking: Lacking, named: bool) -> Problem:
        return Problem(
            ProblemKind.NOT_BUILT,
            self.file,
            f"{maker.name} needs a value for `{lacking.parameter}`",
            _advice(command(maker, self.evidence, None)),
            maker.definition.line if maker.definition else 0,
            maker.name,
            blocking=named,
        )

    def _failed(
        self, call: str, error: BaseException, maker: Maker, named: bool, hint: str
    ) -> Problem:
        if Stub.__module__ in str(error) or isinstance(error, (StubUsed, ModuleNotFoundError)):
            hint = "it needs a package that is not installed; install what the file imports"
        doing = f"building {call}"
        return blame(error, ProblemKind.NOT_BUILT, doing, self.file, maker.name, hint, named)


def _written(at: Location) -> str:
    """``train.py:12``, ``train.ipynb:cell 3:12``."""
    cell = f"cell {at.cell}:" if at.cell else ""
    return f"{os.path.basename(at.path)}:{cell}{at.line}"


def _advice(command: str) -> str:
    return f"say how to build it: {command}" if command else ""


def _is_no_maker(found: object, maker: Maker) -> bool:
    """True for a function that returns something else, or only passes on keywords it requires."""
    if isinstance(found, NotAModel):
        return True
    lacks = isinstance(found, TypeError) and bool(_MISSING.search(str(found)))
    return lacks and maker.origin == "factory" and not maker.required
