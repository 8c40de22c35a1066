"""One model at a time: what is said of it as it is, and of each mutation of it."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from bnlint.config import Settings
from bnlint.domain.finding import Finding, Severity
from bnlint.domain.rule import Rule
from bnlint.engine.catalogue import built_in_files, load_rules, select_rules
from bnlint.engine.check import check_graph
from bnlint.models.guessing.guess import Guess, Guesses, Origin
from bnlint.tracing.model import trace_model

from ..zoo.families import Entry
from .faults import Mutation
from .forward_faults import MUTATIONS
from .site import Site, Surroundings, layer_ops

SETTINGS = Settings().for_rules()


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault in a model: where it may be reported, and what was said instead, if it was not."""

    model: str
    fault: str
    rule: str
    layers: tuple[str, ...]
    found: bool
    instead: str = ""


class Bench:
    """A good model, its graph, and the rules."""

    def __init__(self, entry: Entry) -> None:
        warnings.simplefilter("ignore")
        self.name = entry.name
        self.model = build(entry)
        given = entry.inputs(self.model)
        self.inputs = Guesses((Guess(*given, origin=Origin(entry.source)),)) if given else None
        self.rules: tuple[Rule, ...] = select_rules(load_rules(built_in_files()))
        self.graph = trace_model(self.model, inputs=self.inputs)

    def findings(self) -> list[Finding]:
        """What is said of the model as it is, at warning and above."""
        found = check_graph(self.graph, self.rules, SETTINGS).findings
        return [f for f in found if f.severity.at_least(Severity.WARNING)]

    def mutate(self, fault: str, most: int) -> Iterator[Planted]:
        """Up to ``most`` mutations of one kind, at places drawn by chance."""
        mutation = MUTATIONS[fault]
        around = Surroundings(self.graph)
        places = [op for op in layer_ops(self.graph) if mutation.fits(around, op)]
        random.Random(f"{self.name} {fault}").shuffle(places)
        for op in places:
            if most <= 0:
                return
            model = copy.deepcopy(self.model)
            layers = mutation.plant(Site(model, around, op))
            if layers:
                most -= 1
                yield self._judge(fault, mutation, model, layers)

    def _judge(
        self, fault: str, mutation: Mutation, model: nn.Module, layers: tuple[str, ...]
    ) -> Planted:
        graph = trace_model(model, inputs=self.inputs)
        every = check_graph(graph, self.rules, SETTINGS).findings
        at = [f for f in every if f.rule == mutation.rule and f.layer in layers]
        found = any(f.severity.at_least(mutation.least) for f in at)
        near = (
            at or [f for f in every if f.layer in layers] or [f for f in every if _new(f, layers)]
        )
        instead = "; ".join(f"{f.rule} {f.severity.value} at {f.layer}" for f in near[:3])
        if not instead:
            instead = f"nothing ({graph.trace.tracer}, complete: {graph.trace.complete})"
        return Planted(self.name, fault, mutation.rule, layers, found, "" if found else instead)


def _new(finding: Finding, layers: tuple[str, ...]) -> bool:
    return any(layer.rpartition(".")[0] in finding.layer for layer in layers)


def build(entry: Entry) -> nn.Module:
    """The model, on meta where its code allows it."""
    try:
        with torch.device("meta"):
            return entry.build()
    except Exception:  # reads numbers while it is built
        return entry.build()
