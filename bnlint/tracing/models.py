"""The models of an imported file: which to build, in which order, and what to say of the rest."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torch import nn

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import Location, ModelGraph, ModelRef
from bnlint.domain.request import ModelSpec, TraceRequest
from bnlint.tracing.blame import Blame, said
from bnlint.tracing.building import NotAModel, build
from bnlint.tracing.classify import Table
from bnlint.tracing.finding_inputs import find_inputs
from bnlint.tracing.naming import Named, resolve
from bnlint.tracing.offers import Lacking, Offer, offers
from bnlint.tracing.source import Source
from bnlint.tracing.stubs import Stubs, held_stubs
from bnlint.tracing.survey import Maker, Survey, maker_of, survey
from bnlint.tracing.trace import trace_model

_SIMILAR = 6
"""Factories of one class that are checked; the rest is named in a Problem."""

_ATTEMPTS = 8
"""Calls that are tried for one maker."""


@dataclass(frozen=True, slots=True)
class Built:
    """A model, and how it is known."""

    model: nn.Module
    ref: ModelRef


@dataclass(slots=True)
class Checker:
    """Builds and traces the models of one module; remembers what was covered."""

    module: ModuleType
    source: Source
    request: TraceRequest
    table: Table
    stubs: Stubs = field(default_factory=Stubs)
    covered: set[type] = field(default_factory=set)
    seen: set[Any] = field(default_factory=set)
    roots: Counter[str] = field(default_factory=Counter)
    graphs: int = 0

    def run(self) -> Iterator[ModelGraph | Problem]:
        """Graphs and problems, model by model."""
        if self.request.models:
            for spec in self.request.models:
                yield from self._named(spec)
        else:
            yield from self._discovered(survey(self.module, self.source))

    # --- what the user named

    def _named(self, spec: ModelSpec) -> Iterator[ModelGraph | Problem]:
        named = resolve(spec, vars(self.module), self._file)
        if isinstance(named, Problem):
            yield named
            return
        if isinstance(named.value, nn.Module) and named.call is None:
            yield from self._trace(Built(named.value, self._ref(spec.call, "named")), spec)
            return
        found = self._build_named(named, spec)
        if isinstance(found, Problem):
            yield found
        else:
            yield from self._trace(found, spec)

    def _build_named(self, named: Named, spec: ModelSpec) -> Built | Problem:
        maker = maker_of(named.value, named.name, self.source)
        ref = self._ref(named.name, "named", spec.call, definition=maker.definition)
        if named.call is None:
            found = self._first(maker, blocking=True)
            return found
        try:
            return Built(build(named.call, self._limit), ref)
        except BaseException as error:
            return self._failed(error, spec.call, "", blocking=True)

    # --- what the file offers

    def _discovered(self, found: Survey) -> Iterator[ModelGraph | Problem]:
        for name, model in found.instances:
            yield from self._trace(Built(model, self._ref(name, "instance")))
        left: list[Problem] = []
        for maker in found.makers:
            if self._is_covered(maker):
                continue
            built = self._first(maker)
            if isinstance(built, Problem):
                left.append(built)
            elif built is not None:
                yield from self._trace(built)
        yield from self._remains(left, found)

    def _is_covered(self, maker: Maker) -> bool:
        """True for what a bigger model holds, and for what needs guesses where a call is known."""
        if maker.make in self.covered and (maker.part or maker.required):
            return True
        if maker.origin == "factory":
            if maker.part and maker.required:
                return True  # a helper such as conv3x3(in, out)
            self.roots[maker.root] += 1
            return self.roots[maker.root] > _SIMILAR
        return False

    def _remains(self, left: list[Problem], found: Survey) -> Iterator[Problem]:
        """What was not built, said once; it blocks where nothing of the file could be checked."""
        for root, count in self.roots.items():
            if count > _SIMILAR:
                yield self._too_many(root, count - _SIMILAR)
        nothing = self.graphs == 0
        for problem in left:
            yield _blocking(problem) if nothing else problem
        if nothing and not left and found.classes:
            yield Problem(
                ProblemKind.NO_MODEL,
                self._file,
                "no model in it can be called: only base classes or helpers",
                hint=f"name one: bnlint {self._file}::Name(...)",
                blocking=True,
            )

    def _too_many(self, root: str, more: int) -> Problem:
        return Problem(
            ProblemKind.NOT_BUILT,
            self._file,
            f"{more} more functions that give {root} were not built",
            hint=f"name the one to check: bnlint {self._file}::NAME",
            model=root,
        )

    # --- building

    def _first(self, maker: Maker, blocking: bool = False) -> Any:
        """The first call of ``maker`` that gives a model, or why none does (None: not a model)."""
        failure: Problem | None = None
        names = vars(self.module)
        for attempt, offer in enumerate(offers(maker, self.source, names)):
            if attempt >= _ATTEMPTS:
                break
            if isinstance(offer, Lacking):
                return failure or self._lacking(maker, offer, blocking)
            try:
                model = build(offer.make, self._limit)
            except NotAModel as error:
                return self._failed(error, maker.name, "", blocking) if blocking else None
            except BaseException as error:
                failure = failure or self._failed_offer(maker, offer, error, blocking)
                continue
            return Built(model, self._ref_of(maker, offer))
        return failure

    def _ref_of(self, maker: Maker, offer: Offer) -> ModelRef:
        return ModelRef(
            self._file,
            maker.name,
            maker.origin,
            offer.text,
            offer.guessed,
            definition=maker.definition if maker.definition.line else None,
            block=maker.part,
        )

    def _ref(
        self, name: str, origin: str, arguments: str = "", definition: Location | None = None
    ) -> ModelRef:
        known = definition if definition and definition.line else None
        return ModelRef(self._file, name, origin, arguments, definition=known)

    def _lacking(self, maker: Maker, lacking: Lacking, blocking: bool) -> Problem:
        return Problem(
            ProblemKind.NOT_BUILT,
            self._file,
            f"{maker.name} needs a value for `{lacking.parameter}`",
            self._hint(maker),
            maker.definition.line,
            maker.name,
            blocking,
        )

    def _failed_offer(
        self, maker: Maker, offer: Offer, error: BaseException, blocking: bool
    ) -> Problem:
        made_up = f" (made up: {', '.join(offer.guessed)})" if offer.guessed else ""
        return self._failed(error, offer.text + made_up, self._hint(maker), blocking)

    def _failed(self, error: BaseException, call: str, hint: str, blocking: bool) -> Problem:
        name = call.partition("(")[0]
        return Blame(
            ProblemKind.NOT_BUILT, f"building {call}", self._file, name, hint, blocking
        ).problem(error)

    def _hint(self, maker: Maker) -> str:
        required = ", ".join(f"{p.name}=..." for p in maker.required)
        return f"say how to build it: bnlint '{self._file}::{maker.name}({required})'"

    # --- tracing

    def _trace(
        self, built: Built, spec: ModelSpec | None = None
    ) -> Iterator[ModelGraph | Problem]:
        key = _structure(built.model)
        if spec is None and key in self.seen:
            return
        self.seen.add(key)
        self.covered |= {type(m) for m in built.model.modules()}
        declared = (spec.inputs if spec else ()) or self.request.inputs
        try:
            inputs = find_inputs(built.model, self.source, built.ref, declared)
            graph = trace_model(built.model, ref=built.ref, inputs=inputs, table=self.table)
        except Exception as error:
            yield self._untraceable(built.ref, error)
            return
        self.graphs += 1
        yield graph
        yield from self._stub_notes(built)

    def _untraceable(self, ref: ModelRef, error: Exception) -> Problem:
        return Blame(
            ProblemKind.UNTRACEABLE, f"tracing {ref.name}", self._file, ref.name
        ).problem(error)

    def _stub_notes(self, built: Built) -> Iterator[Problem]:
        for name in dict.fromkeys(held_stubs(built.model)):
            yield Problem(
                ProblemKind.OPAQUE_PART,
                self._file,
                f"{built.ref.name} holds {name}, whose package is not installed",
                model=built.ref.name,
            )

    @property
    def _file(self) -> str:
        return self.source.path

    @property
    def _limit(self) -> int:
        return self.request.weight_limit if self.request.real_weights else 0


def _blocking(problem: Problem) -> Problem:
    from dataclasses import replace

    return replace(problem, blocking=True)


def _structure(model: nn.Module) -> tuple[Any, ...]:
    """Equal for models that are built alike: classes, settings, shapes and plain attributes."""
    plain = tuple(
        (name, type(m), _plain(m)) for name, m in model.named_modules(remove_duplicate=False)
    )
    states = tuple(tuple(p.shape) for p in model.parameters() if not _is_lazy(p))
    return type(model), plain, states


def _plain(module: nn.Module) -> tuple[Any, ...]:
    simple = (bool, int, float, str)
    return tuple(
        (k, v)
        for k, v in vars(module).items()
        if isinstance(v, simple) or (isinstance(v, tuple) and all(isinstance(i, simple) for i in v))
    )


def _is_lazy(parameter: Any) -> bool:
    return isinstance(parameter, nn.parameter.UninitializedParameter)


__all__ = ["Checker", "inspect", "said"]
