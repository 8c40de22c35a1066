"""The inputs of a model: declared, else mined from its file, else inferred from its layers."""

from __future__ import annotations

from torch import nn

from bnlint.domain.graph import ModelRef
from bnlint.domain.request import InputSpec
from bnlint.loading.source import Source
from bnlint.models.guessing.candidate import NONE, GivenInputs, declared
from bnlint.models.guessing.inferred import infer
from bnlint.models.guessing.written_inputs import carried, mine


def find_inputs(
    model: nn.Module,
    source: Source | None,
    ref: ModelRef,
    specs: tuple[InputSpec, ...] = (),
) -> GivenInputs:
    """How the model may be called; nothing is run for it.

    Inputs that the source shows being passed to a model built by this very call are taken as they
    are. Those passed to a model of the same class built otherwise only come first among the
    inferred ones, since its channels may differ.
    """
    if specs:
        return declared(specs)
    if own := carried(model):
        return GivenInputs((own,), "mined")
    sure, likely = mine(source, ref) if source else ((), ())
    if sure:
        return GivenInputs(sure[:1], "mined")
    candidates = (*likely, *infer(model, source))
    return GivenInputs(candidates, "inferred") if candidates else NONE
