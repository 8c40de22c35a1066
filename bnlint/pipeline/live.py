"""The same story for a live model: traced in this process, nothing imported or isolated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnlint.cache import torch_version
from bnlint.config import Settings
from bnlint.domain.finding import Report
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import TraceOutcome
from bnlint.pipeline.conclude import conclude
from bnlint.pipeline.files import examine
from bnlint.pipeline.paths import Paths
from bnlint.pipeline.rules import compiled_rules
from bnlint.sources import Sources

if TYPE_CHECKING:
    from torch import nn


def trace_live(
    model: nn.Module, inputs: Any, name: str, layers: tuple[tuple[str, str], ...] = ()
) -> ModelGraph:
    """The graph of a live model; raises UsageError for what is no model."""
    from bnlint.tracing.live import trace_given

    args, kwargs = _arguments(inputs)
    return trace_given(model, args, kwargs, name, layers)


def check_live(model: nn.Module, inputs: Any, name: str, settings: Settings) -> Report:
    """The report about a live model."""
    paths = Paths(Path.cwd(), Path(settings.root))
    graph = trace_live(model, inputs, name, settings.layers)
    rules = compiled_rules(settings)
    chosen = rules.for_file(paths.rooted(graph.ref.file))
    outcome = TraceOutcome(graph.ref.file, (graph,), torch=torch_version())
    result = examine(outcome, chosen, settings.for_rules())
    return conclude(settings, paths, Sources(), rules, [replace(result, graphs=(graph,))])[0]


def _arguments(inputs: Any) -> tuple[tuple[Any, ...] | None, Mapping[str, Any]]:
    """Positional and keyword arguments of the forward; None when nothing was given."""
    if inputs is None:
        return None, {}
    if isinstance(inputs, Mapping):
        return (), inputs
    return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), {}
