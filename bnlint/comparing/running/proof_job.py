"""One side of a comparison in a process of its own: the old one is run first, and then the new one.

Two versions of a file can't be loaded in one process. What the new side needs of the old one is
kept in a file: keys and shapes, buffers, inputs, outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import nn

from bnlint.comparing.running.checkpoint_file import keys_of_file, wrapper_of
from bnlint.comparing.running.inputs_to_run import calls_of
from bnlint.comparing.running.loading_attempt import try_to_load
from bnlint.comparing.running.new_side import compare_with
from bnlint.comparing.running.old_side import OldResults, run_old
from bnlint.domain.errors import is_out_of_memory
from bnlint.domain.finding import Problem
from bnlint.domain.request import Closing, ModelSpec, ProofRequest, ProofResult, Record
from bnlint.layers.table import Table, builtin_table
from bnlint.models.guessing.inputs.of_forward import find_inputs
from bnlint.models.workshop import Built, Workshop
from bnlint.tracing.file import opened

_ATTEMPTS = 8
"""Calls of one class or function that are tried."""

_load = torch.load  # the user's code gets another one, which reads no weights


def proof_records(request: ProofRequest) -> Iterator[Record]:
    """The result of one side; runs the user's code: meant for a child."""
    with opened(request.file) as found:
        if isinstance(found, Problem):
            yield found
        else:
            source, imported = found
            workshop = Workshop(
                imported.module, source, request.limit, to_run=True, lost=imported.lost
            )
            table = builtin_table().extended(request.file.layers)
            yield _within_memory(workshop, request, table)
    yield Closing(torch=torch.__version__)


def _within_memory(workshop: Workshop, request: ProofRequest, table: Table) -> ProofResult:
    try:
        return _side(workshop, request, table)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return ProofResult(False, "running it needs more memory than --max-memory allows")


def _side(workshop: Workshop, request: ProofRequest, table: Table) -> ProofResult:
    built = _built(workshop, request)
    if not isinstance(built, Built):
        name = request.model.call
        return ProofResult(False, f"{name} is not built: {built.message if built else 'no model'}")
    model = built.model
    if request.checkpoint:
        return _with_file(model, request)
    if not request.against:
        guesses = find_inputs(model, workshop.source, built.ref).candidates
        calls = list(calls_of(model, request.inputs, guesses))
        kept = run_old(model, calls, len(request.inputs), table, workshop.file)
        torch.save(kept.stored(), request.store)
        return ProofResult(bool(kept.trials), kept.reason)
    loaded = OldResults.read(_load(request.store, weights_only=True))
    loads = try_to_load(model, loaded.keys)
    mapped = tuple(try_to_load(model, loaded.keys, renames) for renames in request.maps)
    return compare_with(model, loaded, (loads, mapped), request.maps, table, workshop.file)


def _built(workshop: Workshop, request: ProofRequest) -> Built | Problem | None:
    """The model by the call that built the traced one, found again or else read as text."""
    first: Built | Problem | None = None
    for each in islice(workshop.named(request.model), _ATTEMPTS):
        first = first or each
        if isinstance(each, Built) and each.ref.arguments == request.arguments:
            return each
    if request.arguments and request.arguments != request.model.call:
        called = next(iter(workshop.named(ModelSpec(request.arguments))), None)
        if isinstance(called, Built):
            return called
    return first


def _with_file(model: nn.Module, request: ProofRequest) -> ProofResult:
    """Whether a checkpoint file loads: as it is, then with each of the maps."""
    try:
        keys = keys_of_file(request.checkpoint)
    except (ValueError, OSError) as error:
        return ProofResult(False, str(error))
    wanted: dict[str, Any] = model.state_dict()
    prefix = wrapper_of(keys, wanted)
    renames = tuple((key, key.removeprefix(prefix)) for key in keys) if prefix else ()
    maps = request.maps or ((renames,) if renames else ())
    return ProofResult(
        False,
        keys=tuple(keys.items()),
        loads=try_to_load(model, keys),
        mapped=tuple(try_to_load(model, keys, each) for each in maps),
    )
