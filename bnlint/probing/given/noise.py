"""The batches of a probe: those that were given, or noise of the right shape.

The shape is declared, or found in the file, or guessed from the layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.config.declared import inputs as read_inputs
from bnlint.config.option import At
from bnlint.domain.errors import Mistake, ProbeError, in_words
from bnlint.domain.finding import Report
from bnlint.domain.graph import ModelGraph, ModelRef
from bnlint.domain.phrases import listed, short_number
from bnlint.domain.request import InputSpec
from bnlint.loading.parsing import Source
from bnlint.loading.user_code import place_of
from bnlint.models.guessing.guess import Guess, Origin, choose, declared, describe
from bnlint.models.guessing.inputs.of_forward import find_inputs
from bnlint.models.nested import mapped, samples
from bnlint.probing.given.batches import SAMPLES, Batch, enough, read
from bnlint.probing.given.noise_size import noise_size
from bnlint.probing.session import Session
from bnlint.tracing.bare import on_meta

Shapes = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""``"1x3x32x32"``, ``["ids=8x128:int64"]``, ``(1, 3, 32, 32)`` or several shapes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked of a probe; :func:`bnlint.probing.probe_model.probe` documents each."""

    targets: Any = None
    inputs: Shapes | None = None
    samples: int | None = None
    batch_size: int | None = None
    compare: bool = False
    steps: int = 30
    report: Report | None = None
    graph: ModelGraph | None = None
    source: Source | None = None
    untrained: bool = False


def batches_for(session: Session, given: Any, wish: Wish) -> tuple[str, list[Batch]]:
    """Where the inputs come from (user, file or synthetic), and enough batches of them.

    A ProbeError if there are fewer than two samples, or the shape of the noise is unknown.
    """
    if given is None:
        return "synthetic", _noise_batches(session, wish)
    found = enough(read(given, wish.targets, session.model), wish.samples or SAMPLES)
    if found[-1].samples == 1 < found[0].samples:
        found.pop()  # a batch norm would raise; a loader of real data often ends so
        session.note("left out the last batch, which is a single sample")
    if sum(b.samples for b in found) < 2:
        raise ProbeError(
            "a batch of one sample tells nothing: dead units and a collapsing signal only "
            "show between samples",
            hint=f"use at least 2 samples, better {SAMPLES}",
        )
    path = isinstance(given, (str, bytes)) or hasattr(given, "__fspath__")
    return "file" if path else "user", found


def _noise_batches(session: Session, wish: Wish) -> list[Batch]:
    """As many samples as were asked for at once, else as many as the model's size allows."""
    if wish.samples is not None and wish.samples < 2:
        raise ProbeError("a batch of one sample tells nothing", hint="ask for 2 or more")
    call = _candidate(session.model, wish)
    if wish.samples is not None:
        return [_noise(call, session.model, wish.samples, session.seed)]
    size = noise_size(wish.graph, describe(call), session.device)
    if size.samples < SAMPLES:
        session.note(
            f"{size.samples} samples of noise, since {SAMPLES} would take about "
            f"{short_number(size.needed, 'B')} of activations; choose with --batch"
        )
    noise = _noise(call, session.model, size.samples, session.seed)
    return [noise.part(slice(i, i + size.batch)) for i in range(0, size.samples, size.batch)]


def _specs(inputs: Shapes) -> tuple[InputSpec, ...]:
    items: list[Any] = [inputs] if isinstance(inputs, str) else list(inputs)
    if items and all(isinstance(i, int) for i in items):
        items = [items]
    try:
        texts = [i if isinstance(i, str) else "x".join(str(int(n)) for n in i) for i in items]
    except (TypeError, ValueError) as error:
        raise ProbeError(f"{inputs!r} is no input shape", hint="write it like 1x3x32x32") from error
    at = At(("input",))
    found = read_inputs(texts, at)
    if at.complaints:
        raise ProbeError(*(Mistake(c.message, hint=c.hint) for c in at.complaints))
    return found


def _candidate(model: nn.Module, wish: Wish) -> Guess:
    """The call to make noise for; the first guess that the model's forward accepts."""
    if wish.inputs is not None:
        return declared(_specs(wish.inputs)).candidates[0]
    ref = wish.graph.ref if wish.graph is not None else None
    chosen = find_inputs(model, wish.source, ref or ModelRef("", type(model).__name__, "instance"))
    failures: list[str] = []
    if chosen.source != Origin.FOUND:
        traced = choose(chosen, partial(_was_traced, wish.graph))
        tried = len(traced.candidates) == 1
        # A run on meta makes torch import its compiler, which takes a second.
        chosen = traced if tried else choose(chosen, partial(_passes, on_meta(model), failures))
    if len(chosen.candidates) != 1:
        first = f": {failures[0]}" if failures else ""
        raise ProbeError(
            f"no input could be guessed that the model's forward takes{first}",
            hint="fix the forward, or pass batches or the shape of the input: --input 1x3x32x32 "
            "(in Python inputs='1x3x32x32')",
        )
    return chosen.candidates[0]


def _was_traced(graph: ModelGraph | None, call: Guess) -> bool:
    """Whether the graph is of a forward that came to its end with such inputs."""
    if graph is None or not graph.trace.complete or any(op.error for op in graph.ops):
        return False
    return graph.trace.unfit is None and describe(call) == graph.ref.inputs


def _passes(meta: nn.Module, failures: list[str], call: Guess) -> bool:
    """Whether the forward takes the guessed input; else why not is added to ``failures``."""
    try:
        with torch.no_grad():
            meta(*call.args, **call.kwargs)
    except Exception as error:  # whatever a forward raises for a wrong shape
        shapes = listed(["x".join(map(str, shape)) for shape in describe(call).shapes])
        failures.append(f"with {shapes or 'no input'} it raised {in_words(error)}{place_of(error)}")
        return False
    return True


def _noise(call: Guess, model: nn.Module, count: int, seed: int) -> Batch:
    """``count`` samples of N(0, 1) for floating-point inputs, of valid indices for integers.

    Floats have the dtype of the model's weights (half precision, say) unless another is declared.
    An input without a batch dimension (its first size is not that of the first input) keeps its
    shape.
    """
    generator = torch.Generator().manual_seed(seed)
    floats = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    first = samples((call.args, dict(call.kwargs)))
    sizes = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)]
    highest = min(sizes, default=2)

    def drawn(t: Tensor) -> Tensor:
        shape = (count, *t.shape[1:]) if t.ndim and t.shape[0] == first else tuple(t.shape)
        if t.is_floating_point():
            own = t.dtype if t.dtype is not torch.float32 else floats
            return torch.randn(shape, generator=generator).to(own)
        if t.dtype is torch.bool:
            return torch.ones(shape, dtype=t.dtype)
        return torch.randint(highest, shape, generator=generator).to(t.dtype)

    return Batch(mapped(call.args, drawn), mapped(dict(call.kwargs), drawn))
