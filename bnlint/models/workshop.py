"""Models built from makers: each call that may work is tried, and the failures are explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import ModuleType

from torch import nn

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import Location, ModelRef
from bnlint.domain.request import ModelSpec
from bnlint.loading.blame import Blame
from bnlint.loading.devices import NoAccelerator
from bnlint.loading.source import Source
from bnlint.loading.stubs import Stub, StubUsed
from bnlint.models.build import NotAModel, build
from bnlint.models.guessing.offers import Lacking, Offer, offers
from bnlint.models.naming import Named, resolve
from bnlint.models.survey import Maker, maker_of

_ATTEMPTS = 8
"""Calls that are tried for one maker."""

_MISSING = re.compile(r"missing \d+ required (positional|keyword)")


@dataclass(frozen=True, slots=True)
class Built:
    """A model, and how it is known."""

    model: nn.Module
    ref: ModelRef


@dataclass(frozen=True, slots=True)
class Workshop:
    """Builds models of one module; ``weight_limit`` is 0 where initial values are not wanted."""

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
        """The model that the user named, or why there is none."""
        named = resolve(spec, vars(self.module), self.file)
        if isinstance(named, Problem):
            yield named
        elif isinstance(named.value, nn.Module) and named.call is None:
            yield self.instance(spec.call, named.value, "named")
        else:
            maker = maker_of(named.value, named.name, self.source)
            if named.call is None:
                yield from self.attempts(maker, named=True)
            else:
                yield self._as_written(named, maker, spec)

    def attempts(self, maker: Maker, named: bool = False) -> Iterator[Built | Problem]:
        """Models by the calls that work, best first; the first failure where none does.

        Nothing at all where the maker is no maker of models after all, unless it was named.
        """
        failure: Problem | None = None
        works = False
        for offer in islice(offers(maker, self.source, vars(self.module)), _ATTEMPTS):
            found = self._try(offer)
            if isinstance(found, nn.Module) and isinstance(offer, Offer):
                yield Built(found, _ref(self.file, maker, offer, named))
                works = True
                continue
            if not named and _is_no_maker(found, maker):
                return
            failure = failure or self._failure(found, offer, maker, named)
        if failure is not None and not works:
            yield failure

    def _try(self, offer: Offer | Lacking) -> nn.Module | BaseException | Lacking:
        if isinstance(offer, Lacking):
            return offer
        try:
            with NoAccelerator():
                return build(offer.make, self.weight_limit)
        except BaseException as error:  # the user's code may exit, too
            return error

    def _failure(self, found: object, offer: Offer | Lacking, maker: Maker, named: bool) -> Problem:
        if isinstance(offer, Lacking):
            return self._lacking(maker, offer, named)
        assert isinstance(found, BaseException)
        return self._failed(_shown(offer), found, maker, named)

    def _as_written(self, named: Named, maker: Maker, spec: ModelSpec) -> Built | Problem:
        assert named.call is not None
        where = _known(maker.definition)
        ref = ModelRef(self.file, named.name, "named", spec.call, definition=where)
        try:
            with NoAccelerator():
                return Built(build(named.call, self.weight_limit), ref)
        except BaseException as error:  # the user's code may exit, too
            return self._failed(spec.call, error, maker, named=True, hint="")

    def _lacking(self, maker: Maker, lacking: Lacking, named: bool) -> Problem:
        return Problem(
            ProblemKind.NOT_BUILT,
            self.file,
            f"{maker.name} needs a value for `{lacking.parameter}`",
            self._hint(maker),
            maker.definition.line,
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
        return Blame(
            ProblemKind.NOT_BUILT, doing, self.file, maker.name, hint, blocking=named
        ).problem(error)

    def _hint(self, maker: Maker) -> str:
        if not maker.required:
            return ""
        required = ", ".join(f"{p.name}=..." for p in maker.required)
        return f"say how to build it: bnlint '{self.source.name}::{maker.name}({required})'"


def _is_no_maker(found: object, maker: Maker) -> bool:
    """True for a function that gives something else, or only hands on keywords it must get."""
    if isinstance(found, NotAModel):
        return True
    lacks = isinstance(found, TypeError) and bool(_MISSING.search(str(found)))
    return lacks and maker.origin == "factory" and not maker.required


def _shown(offer: Offer) -> str:
    made_up = f" ({', '.join(offer.guessed)} made up)" if offer.guessed else ""
    return offer.text + made_up


def _ref(file: str, maker: Maker, offer: Offer, named: bool) -> ModelRef:
    return ModelRef(
        file,
        maker.name,
        "named" if named else maker.origin,
        offer.text,
        offer.guessed,
        definition=_known(maker.definition),
        block=maker.part,
    )


def _known(location: Location) -> Location | None:
    return location if location.line else None
