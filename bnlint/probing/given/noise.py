"""Noise of the right shape: declared, else what the file shows or the layers suggest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bnlint.config.declared import inputs as read_inputs
from bnlint.config.values import At
from bnlint.domain.errors import Mistake, ProbeError
from bnlint.domain.graph import ModelRef
from bnlint.domain.request import InputSpec
from bnlint.loading.parsing import Source
from bnlint.models.guessing.guess import Guess, Guesses, choose, declared
from bnlint.models.guessing.of_forward import find_inputs
from bnlint.probing.given.batches import Batch
from bnlint.probing.nested import mapped, tensors
from bnlint.tracing.model import on_meta

Shapes = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""``"1x3x32x32"``, ``["ids=8x128:int64"]``, ``(1, 3, 32, 32)`` or several shapes."""


def specs(inputs: Shapes) -> tuple[InputSpec, ...]:
    """The inputs that were written by hand.

    Raises
    ------
        ProbeError: they cannot be read.

    """
    items: list[Any] = [inputs] if isinstance(inputs, str) else list(inputs)
    if items and all(isinstance(i, int) for i in items):
        items = [items]
    try:
        texts = [i if isinstance(i, str) else "x".join(str(int(n)) for n in i) for i in items]
    except (TypeError, ValueError) as error:
        raise ProbeError(
            Mistake(f"{inputs!r} is no input shape", hint="write it like 1x3x32x32")
        ) from error
    at = At(("input",))
    found = read_inputs(texts, at)
    if at.complaints:
        raise ProbeError(*(Mistake(c.message, hint=c.hint) for c in at.complaints))
    return found


def candidate(
    model: nn.Module, inputs: Shapes | None, source: Source | None, ref: ModelRef | None
) -> Guess:
    """The call to make noise for; the first guess that the model's forward takes, on meta.

    Raises
    ------
        ProbeError: nothing was given and no guess passes.

    """
    if inputs is not None:
        return declared(specs(inputs)).candidates[0]
    known = ref or ModelRef("", type(model).__name__, "instance")
    given = find_inputs(model, source, known)
    chosen = given if given.source == "mined" else _passing(model, given)
    if len(chosen.candidates) != 1:
        raise ProbeError(
            Mistake(
                "the shape of the input cannot be guessed",
                hint="pass batches, or say it: inputs='1x3x32x32' (--input 1x3x32x32)",
            )
        )
    return chosen.candidates[0]


def _passing(model: nn.Module, given: Guesses) -> Guesses:
    meta = on_meta(model)

    def passes(call: Guess) -> bool:
        try:
            with torch.no_grad():
                meta(*call.args, **call.kwargs)
        except Exception:  # whatever a forward raises for a wrong shape
            return False
        return True

    return choose(given, passes)


def noise(call: Guess, model: nn.Module, count: int, seed: int) -> Batch:
    """``count`` samples of N(0, 1) for floating-point inputs, of valid indices for whole numbers.

    Floats are of the model's own type (a model in half precision) unless another is asked for.

    What has no batch dimension (another size in front than the first input) keeps its shape.
    """
    generator = torch.Generator().manual_seed(seed)
    floats = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    first = next((t.shape[0] for t in tensors((call.args, dict(call.kwargs))) if t.ndim), 0)
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
