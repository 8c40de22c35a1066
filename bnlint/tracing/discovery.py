"""The models of an imported file: which are traced, in which order, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import Any

from torch import nn

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import ModelGraph, Unfit
from bnlint.domain.phrases import listed
from bnlint.domain.request import InputSpec, TraceRequest
from bnlint.layers.table import Table, having
from bnlint.loading.missing.stubs import Stubs, held_stubs
from bnlint.loading.user_code import blame, blame_bnlint, let_through
from bnlint.models.guessing.guess import NONE, Guesses
from bnlint.models.guessing.inputs.of_forward import find_inputs
from bnlint.models.likeness import structure, with_decorated
from bnlint.models.survey import Maker, Survey, survey
from bnlint.models.training.training_files import TrainingFiles
from bnlint.models.workshop import Built, Workshop
from bnlint.tracing.crashes import is_of_names
from bnlint.tracing.left_aside import no_model, not_built, not_checked
from bnlint.tracing.model import trace_model
from bnlint.tracing.rebuilding import Rebuilder
from bnlint.tracing.search_clock import SearchClock

_FACTORIES = 2
"""Factories of a class that may set its initial weights, and are tried."""

_SIMILAR = 6
"""Factories of one class that are checked; a Problem says how many more there are."""

_OPERATIONS = 12_000
"""Operations of models of one class after which no other factory of it is checked."""

_NOTES = frozenset({ProblemKind.WEIGHTS, ProblemKind.OPAQUE_PART})
"""Problems of models that were traced."""

_COMBINING = having("needs", "sizes")
"""Ops that fail where sizes don't go together."""


@dataclass(slots=True)
class Models:
    """Builds and traces the models of one module, and remembers what was already covered."""

    workshop: Workshop
    request: TraceRequest
    table: Table
    stubs: Stubs = field(default_factory=Stubs)
    covered: set[type] = field(default_factory=set)
    seen: set[Any] = field(default_factory=set)
    roots: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    weights: set[str] = field(default_factory=set)
    clock: SearchClock = field(default_factory=SearchClock)
    training: TrainingFiles = field(init=False)

    def __post_init__(self) -> None:
        evidence = self.workshop.evidence
        self.training = TrainingFiles(evidence.source, evidence.names, evidence.project)

    def records(self) -> Iterator[ModelGraph | Problem]:
        """Graphs and problems, model by model: of those that the user named, else of all."""
        if not self.request.models:
            yield from self._discovered()
        for spec in self.request.models:
            yield from self._best(self.workshop.named(spec), spec.inputs or self.request.inputs)

    def _discovered(self) -> Iterator[ModelGraph | Problem]:
        found = survey(self.workshop.module, self.workshop.source)
        left: list[tuple[Maker | None, Problem]] = []
        any_graph = False
        for maker, result in self._each(found):
            if isinstance(result, ModelGraph):
                any_graph = True
                yield result
            elif result.kind in _NOTES:
                yield result
            else:
                left.append((maker, result))
        source = self.workshop.source
        yield from not_built(self.skipped, source)
        yield from not_checked(left, any_graph, self._contains)
        if not (any_graph or left) and found.classes:
            yield no_model(source)

    def _each(self, found: Survey) -> Iterator[tuple[Maker | None, ModelGraph | Problem]]:
        for name, model in found.instances:
            for result in self._guarded(name, partial(self._of_instance, name, model)):
                yield None, result
        for maker in found.makers:
            if not self._is_covered(maker, found):
                inputs = self.request.inputs_for(maker.name, maker.root)
                make = partial(self._best, self._attempts(maker, found), inputs)
                for result in self._guarded(maker.name, make):
                    if isinstance(result, ModelGraph):
                        self.operations[maker.root] += len(result.ops)
                    yield maker, result

    def _of_instance(self, name: str, model: nn.Module) -> Iterator[ModelGraph | Problem]:
        built = self.workshop.instance(name, model)
        if isinstance(built, Problem):
            yield built
        elif not self._is_repeated(built):
            self.clock = self.clock.for_next_model()
            yield from self._trace(built, self.request.inputs_for(name))

    def _attempts(self, maker: Maker, found: Survey) -> Iterator[Built | Problem]:
        """The models of a maker; that of a class starts with the weights that a factory sets."""
        for built in self.workshop.attempts(maker):
            if isinstance(built, Problem) or maker.origin != "class" or built.ref.guessed:
                yield built
                continue
            own = (m for m in found.makers if m.origin == "factory" and m.root == maker.name)
            factories = islice((m for m in own if not m.required), _FACTORIES)
            made = (next(self.workshop.attempts(factory), None) for factory in factories)
            same = structure(built.model)
            set_up = (m for m in made if isinstance(m, Built) and structure(m.model) == same)
            yield replace(built, model=next(set_up, built).model)

    def _guarded(
        self, name: str, make: Callable[[], Iterable[ModelGraph | Problem]]
    ) -> list[ModelGraph | Problem]:
        """The records of one model; an odd object in it costs only this model."""
        try:
            return list(make())
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            let_through(error)
            doing, where = f"checking {name}", (self.workshop.file, name)
            own = blame_bnlint(error, doing, *where)
            return [own or blame(error, ProblemKind.UNTRACEABLE, doing, *where)]

    def _is_covered(self, maker: Maker, found: Survey) -> bool:
        """True for a part of a bigger model, and for a guessed call if another one is known."""
        if maker.origin == "class":
            return maker.make in self.covered and (maker.part or bool(maker.required))
        if maker.required:
            return getattr(self.workshop.module, maker.root, None) in self.covered
        self.roots[maker.root] += 1
        enough = self.operations[maker.root] > _OPERATIONS
        covered = enough or self.roots[maker.root] > _SIMILAR
        self.skipped[maker.root] += covered
        return covered

    def _best(
        self, attempts: Iterator[Built | Problem], inputs: tuple[InputSpec, ...]
    ) -> Iterator[ModelGraph | Problem]:
        """The first model whose parts fit together; else the first one that was not guessed."""
        first: Built | None = None
        unfit: Unfit | None = None
        kept: list[ModelGraph | Problem] = []
        named = bool(self.request.models)
        self.clock = self.clock.for_next_model()
        for built in self.clock.within(attempts):
            if isinstance(built, Problem):
                yield built
                return
            if first is not None and built.ref.guessed and not first.ref.guessed:
                continue  # a guess is no better than what was found
            if not (named or built.ref.guessed) and self._is_repeated(built):
                continue
            records = list(self._trace(built, inputs))
            if _fits(records):
                yield from records
                return
            if first is None:
                first, kept, unfit = built, records, _unfit(records)
        if first is None:
            return
        doubted = bool(first.ref.guessed) or first.ref.block
        rebuilt = self._rebuilt(first, inputs) if doubted else None
        if first.ref.guessed:
            kept = list(rebuilt or self._unfitting(first, inputs, unfit))
        yield from rebuilt or kept

    def _rebuilt(
        self, first: Built, specs: tuple[InputSpec, ...]
    ) -> list[ModelGraph | Problem] | None:
        """The records of the model with other guessed arguments; None if none fit together."""
        rebuilder = Rebuilder(self.workshop.rebuilt, partial(self._inputs, specs=specs), self.table)
        with self.stubs.unusable():
            found = rebuilder.fitting(first)
        if found is None or found is first:
            return None
        self.clock = self.clock.for_next_model()
        records = list(self._trace(found, specs))
        return records if _fits(records) else None

    def _unfitting(
        self, first: Built, specs: tuple[InputSpec, ...], unfit: Unfit | None
    ) -> Iterator[ModelGraph | Problem]:
        """The records of a model whose guesses are wrong: nothing that depends on shapes."""
        for record in self._trace(first, specs, without_inputs=not specs):
            yield _with_unfit(record, unfit)

    def _inputs(self, built: Built, specs: tuple[InputSpec, ...]) -> Guesses:
        return find_inputs(built.model, self.workshop.source, built.ref, specs)

    def _is_repeated(self, built: Built) -> bool:
        before = len(self.seen)
        self.seen.add(structure(built.model))
        return len(self.seen) == before

    def _trace(
        self, built: Built, specs: tuple[InputSpec, ...], without_inputs: bool = False
    ) -> Iterator[ModelGraph | Problem]:
        types = {type(m) for m in built.model.modules()}
        new = {*chain.from_iterable(map(with_decorated, types))} - self.covered
        self.covered |= new
        try:
            with self.stubs.unusable():
                inputs = NONE if without_inputs else self._inputs(built, specs)
                graph = trace_model(
                    built.model, ref=built.ref, inputs=inputs, table=self.table, clock=self.clock
                )
                names = built.ref.name, type(built.model).__name__
                yield replace(graph, training=self.training.of_model(names, built.ref.arguments))
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            let_through(error)
            self.covered -= new  # what is in it was not seen
            kind, doing = ProblemKind.UNTRACEABLE, f"tracing {built.ref.name}"
            where = self.workshop.file, built.ref.name
            yield blame_bnlint(error, doing, *where) or blame(error, kind, doing, *where)
        yield from self._weights(built)
        for name in dict.fromkeys(held_stubs(built.model)):
            text = f"{built.ref.name} holds {name}, which is not installed"
            kind, file = ProblemKind.OPAQUE_PART, self.workshop.file
            yield Problem(kind, file, text, model=built.ref.name)

    def _weights(self, built: Built) -> Iterator[Problem]:
        """A note for pretrained weights that the models of the file did not get, each said once."""
        new = [name for name in built.weights if name not in self.weights]
        self.weights.update(new)
        if new:
            kind, file = ProblemKind.WEIGHTS, self.workshop.file
            line = built.ref.definition.line if built.ref.definition else 0
            text = (
                f"built with random weights: {listed(new[:3])} {'is' if len(new) == 1 else 'are'} "
            )
            text += "neither downloaded nor read, because no check needs them"
            yield Problem(kind, file, text, line=line, model=built.ref.name, names=tuple(new))

    def _contains(self, maker: Maker) -> bool:
        """True if the class that a maker makes is in a model that was traced."""
        made = getattr(self.workshop.module, maker.root, None)
        return made in self.covered


def _fits(records: list[ModelGraph | Problem]) -> bool:
    """False if the shapes show that guessed values do not fit together."""
    graphs = [r for r in records if isinstance(r, ModelGraph)]
    errors = (op.error or "" for graph in graphs for op in graph.ops)
    if any(map(is_of_names, errors)):
        return True
    return bool(graphs) and not any(
        graph.trace.unfit is not None
        or op.error is not None
        or (graph.ref.inputs.source != "none" and op.tags & _COMBINING and not op.outputs)
        for graph in graphs
        for op in graph.ops
    )


def _unfit(records: list[ModelGraph | Problem]) -> Unfit | None:
    return next((r.trace.unfit for r in records if isinstance(r, ModelGraph)), None)


def _with_unfit(record: ModelGraph | Problem, unfit: Unfit | None) -> ModelGraph | Problem:
    """The record, with what guessed arguments failed at."""
    if isinstance(record, Problem):
        return record
    return replace(record, trace=replace(record.trace, unfit=unfit))
