"""From a file, its text or a model that is built already to graphs."""

from __future__ import annotations

import importlib
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import nn

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import ModelGraph, ModelRef
from bnlint.domain.objects import home_of
from bnlint.domain.request import Closing, Record, TraceRequest
from bnlint.layers.table import builtin_table
from bnlint.loading.import_notes import failure, import_failure, import_notes, local_modules
from bnlint.loading.importing import Imported, import_module, import_source
from bnlint.loading.missing.stubs import Stubs
from bnlint.loading.parsing import Source, overlaid, place, read
from bnlint.loading.retry import unblock
from bnlint.loading.sharing.preparation import Preparation, prepare
from bnlint.loading.sites import definition_of, file_of, record_sites
from bnlint.loading.unwritten import Unwritten
from bnlint.loading.user_code import NoAccelerator, blame, blame_bnlint
from bnlint.models.guessing.guess import given
from bnlint.models.guessing.inputs.of_forward import find_inputs
from bnlint.models.survey import survey
from bnlint.models.workshop import Workshop
from bnlint.tracing.discovery import Models
from bnlint.tracing.model import trace_model
from bnlint.tracing.process_state import set_default_device


def trace_records(request: TraceRequest) -> Iterator[Record]:
    """Graphs and problems of one file as soon as they are known, and a ``Closing`` at the end.

    Runs the user's code and changes this process for good: for child processes only.
    """
    prepared, began = prepare(request.path or request.module), time.perf_counter()
    with opened(request, prepared) as found:
        ready = time.perf_counter()
        seconds = {"import": ready - began}
        if isinstance(found, Problem):
            yield found
        else:
            yield from prepared.provided.notes()
            yield from _trace(request, *found)
            seconds["trace"] = time.perf_counter() - ready
    imported = local_modules(prepared.known, request.path)
    yield Closing(imported, torch.__version__, seconds, prepared.consulted())


@contextmanager
def opened(
    request: TraceRequest, prepared: Preparation | None = None
) -> Iterator[tuple[Source, Imported] | Problem]:
    """The file, imported into this process, or why that failed; models are built inside the block.

    What they may not write is lost, while a statement of the file that may not write fails. The
    process is ``prepared`` for it, or is now. Runs the user's code and changes this process for
    good: meant for a child.
    """
    ready = prepared or prepare(request.path or request.module, watched=False)
    with record_sites(), overlaid(request.overlays):
        with NoAccelerator():
            found = _import(request, ready)
        Unwritten().install()
        set_default_device(torch.device("cpu"))
        warnings.simplefilter("ignore")  # the file may have made errors of them
        yield found


def trace_source(code: str, path: str = "model.py") -> tuple[ModelGraph, ...]:
    """The graphs of the models that a piece of source defines; runs it in this process.

    Raises
    ------
    SyntaxError
        The code is not Python.
    Exception
        Whatever the code raises.

    """
    source = read(path, code)
    if isinstance(source, Problem):
        raise SyntaxError(source.message)
    module = ModuleType("_bnlint_source")
    module.__file__ = path
    with record_sites():
        exec(compile(code, path, "exec", dont_inherit=True), vars(module))
        request = TraceRequest(path, real_weights=True)
        workshop = Workshop(module, source, request.weight_limit)
        records = list(Models(workshop, request, builtin_table()).records())
    return tuple(r for r in records if isinstance(r, ModelGraph))


def trace_given(
    model: nn.Module,
    args: tuple[Any, ...] | None,
    kwargs: Mapping[str, Any],
    name: str,
    layers: tuple[tuple[str, str], ...],
) -> ModelGraph:
    """The graph of ``model``, with the given inputs or else guessed ones.

    Raises
    ------
    UsageError
        ``model`` is not a ``torch.nn.Module``.

    """
    if not isinstance(model, nn.Module):
        text = f"a torch.nn.Module is needed, not {type(model).__name__}"
        raise UsageError(Mistake(text, hint="pass an instance: bnlint.check_model(Net())"))
    cls = type(model)
    shown = name or cls.__name__
    place = None if home_of(cls).startswith("torch.") else definition_of(cls)
    path = place.path if place else f"<{shown}>"
    ref = ModelRef(path, shown, "instance", definition=place)
    inputs = find_inputs(model, None, ref) if args is None else given(*args, **kwargs)
    table = builtin_table().extended(layers)
    return trace_model(model, ref=ref, inputs=inputs, table=table)


def warm_up() -> None:
    """Load what torch imports late, when an operation without a shape rule first runs on meta.

    Recent versions import their compiler then, too; older ones when the user's code asks for it.
    """
    importlib.import_module("torch._dynamo")
    with torch.device("meta"), torch.no_grad():
        nn.BatchNorm2d(1)(nn.Conv2d(1, 1, 1)(torch.empty(2, 1, 2, 2)))


def _trace(request: TraceRequest, source: Source, imported: Imported) -> Iterator[Record]:
    yield from import_notes(source, imported)
    table = builtin_table().extended(request.layers)
    limit = request.weight_limit if request.real_weights else 0
    lacks = partial(unblock, source=source, spot=place(source), stubs=imported.stubs)
    workshop = Workshop(imported.module, source, limit, lost=imported.lost, unblock=lacks)
    if imported.failures:
        offered = survey(imported.module, source)
        useless = not (request.models or offered.makers or offered.instances)
        yield from import_failure(source, imported, blocking=useless)
        if useless:
            return
    try:
        yield from Models(workshop, request, table, imported.stubs).records()
    except Exception as error:  # an odd object, before any model was found
        doing, path = "looking for models", source.path
        own = blame_bnlint(error, doing, path, "")
        yield replace(own or blame(error, ProblemKind.UNTRACEABLE, doing, path), blocking=True)
    imported.stubs.close()


def _import(request: TraceRequest, prepared: Preparation) -> tuple[Source, Imported] | Problem:
    if request.module:
        try:
            module = import_module(request.module)
        except BaseException as error:
            hint = f"`python -c 'import {request.module}'` shows where it fails"
            return replace(failure(request.module, error), hint=hint)
        source = read(os.path.abspath(file_of(module)))
        return source if isinstance(source, Problem) else (source, Imported(module, Stubs()))
    source = read(request.path, request.text)
    if isinstance(source, Problem):
        return source
    return source, import_source(source, request.search, request.patience, prepared)
