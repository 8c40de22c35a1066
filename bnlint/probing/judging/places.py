"""Where in the source a layer of a live model stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from bnlint.domain.graph import Location, ModelGraph
from bnlint.loading.sites import definition_of


@dataclass(frozen=True, slots=True)
class Places:
    """Locations by layer name; a layer that is not known stands where the model is defined."""

    model: Location
    layers: Mapping[str, Location] = field(default_factory=dict)

    def of(self, layer: str) -> Location:
        """The location of a layer, of the nearest module that holds it, or of the model."""
        while layer:
            if layer in self.layers:
                return self.layers[layer]
            layer = layer.rpartition(".")[0]
        return self.model


def places(model: nn.Module, graph: ModelGraph | None) -> Places:
    """The places of a model: those of its traced graph, else the class definition."""
    found = {op.layer: op.location for op in graph.ops if op.location} if graph else {}
    if graph is not None and graph.ref.definition is not None:
        return Places(graph.ref.definition, found)
    return Places(definition_of(type(model)) or Location("<model>", 1), found)
