"""A probe of one file, in a process of its own: import it, build the model for real, measure it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch.nn import functional

from bnlint.domain.errors import BnlintError, ProbeError
from bnlint.domain.finding import Problem
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import ModelSpec
from bnlint.layers.table import builtin_table
from bnlint.loading.import_notes import failure, import_failure
from bnlint.loading.importing import import_module, import_source
from bnlint.loading.parsing import Source, read
from bnlint.loading.sites import record_sites
from bnlint.models.guessing.inputs.of_forward import find_inputs
from bnlint.models.survey import survey
from bnlint.models.workshop import Built, Workshop
from bnlint.probing.given.probe_options import ProbeAnswer, ProbeRequest
from bnlint.probing.probe_model import probe
from bnlint.probing.showing.progress_bar import progress_bar
from bnlint.tracing.model import trace_model

T = TypeVar("T")

EVERYTHING = 1 << 62
"""No limit on the number of weights: a probe needs them all."""


def probe_records(request: ProbeRequest) -> Iterator[ProbeAnswer]:
    """What one probe measured, or the mistakes that kept it from that.

    Runs the user's code and changes this process for good: meant for a child.
    """
    sys.argv = [request.name]
    torch.manual_seed(0)
    try:
        with progress_bar():
            found = _answer(request)
        yield found
    except BnlintError as error:
        yield ProbeAnswer(mistakes=tuple((m.message, m.hint) for m in error.mistakes))


def _answer(request: ProbeRequest) -> ProbeAnswer:
    options = request.options
    with record_sites():
        source, module = _imported(request)
        built = _built(Workshop(module, source, EVERYTHING), request)
    table = builtin_table().extended(options.layers)
    result = probe(
        built.model,
        getattr(module, options.data, options.data) if options.data else None,
        loss=_loss(options.loss, module),
        device=options.device or None,
        dtype=options.dtype or None,
        inputs=options.inputs or None,
        samples=options.samples,
        batch_size=options.batch_size or None,
        train=options.train,
        compare=options.compare,
        steps=options.steps,
        seed=options.seed,
        report=options.report,
        graph=_graph(built, source, request),
        table=table,
        source=source,
        untrained=True,
    )
    return ProbeAnswer(result)


def _imported(request: ProbeRequest) -> tuple[Source, ModuleType]:
    if request.module:
        try:
            module = import_module(request.module)
        except BaseException as error:
            _must(failure(request.module, error))
        return _must(read(os.path.abspath(module.__file__ or ""))), module
    source = _must(read(request.path))
    found = import_source(source)
    for problem in import_failure(source, found, blocking=True):
        _must(problem)
    return source, found.module


def _built(workshop: Workshop, request: ProbeRequest) -> Built:
    if request.call:
        return _named(workshop, request.call)
    found = survey(workshop.module, workshop.source)
    if len(found.instances) == 1:
        return _must(workshop.instance(*found.instances[0]))
    names = [name for name, _ in found.instances]
    names += [m.name for m in found.makers if not m.part and m.origin == "class"]
    if len(names) == 1:
        return _named(workshop, names[0])
    file = os.path.basename(workshop.file)
    raise ProbeError(
        f"{file} holds several models" if names else f"{file} holds no model",
        hint=f"name one: {file}::{names[0]} ({', '.join(names[:8])})" if names else "",
    )


def _named(workshop: Workshop, call: str) -> Built:
    return _must(next(workshop.named(ModelSpec(call))))


def _must(found: T | Problem) -> T:
    """``found``, unless it is the Problem that kept it from being there."""
    if isinstance(found, Problem):
        place = f"{found.file}:{found.line}: " if found.line else f"{found.file}: "
        raise ProbeError(place + found.message, hint=found.hint)
    return found


def _graph(built: Built, source: Source, request: ProbeRequest) -> ModelGraph | None:
    """The traced graph for source lines; a model that cannot be traced is probed all the same."""
    try:
        inputs = find_inputs(built.model, source, built.ref)
        return trace_model(built.model, ref=built.ref, inputs=inputs)
    except Exception:  # tracing meets every kind of forward; only the lines would be missing
        return None


def _loss(name: str, module: ModuleType) -> Any:
    found = getattr(module, name, None) or getattr(functional, name, None) if name else None
    if name and not callable(found):
        raise ProbeError(
            f"there is no loss called {name!r}",
            hint="name a function of the file or of torch.nn.functional: cross_entropy",
        )
    return found
