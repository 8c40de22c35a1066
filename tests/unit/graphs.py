"""Hand-built model graphs for tests: a chain in a line, branches by naming what an op reads."""

from __future__ import annotations

from typing import Any

from bnlint.domain.graph import (
    Edge,
    Inputs,
    Location,
    ModelGraph,
    ModelRef,
    ModuleInfo,
    Op,
    Shape,
    Trace,
)

TAGS: dict[str, str] = {
    "conv2d": "conv kernel",
    "conv1d": "conv kernel",
    "convtranspose2d": "conv transposed kernel",
    "linear": "dense kernel",
    "batchnorm1d": "batchnorm norm",
    "batchnorm2d": "batchnorm norm",
    "instancenorm2d": "instancenorm norm",
    "groupnorm": "norm",
    "layernorm": "norm",
    "relu": "activation relu-family",
    "sigmoid": "activation saturating",
    "selu": "activation self-normalising",
    "maxpool": "pooling",
    "adaptiveavgpool2d": "pooling globalpool",
    "flatten": "reshape",
    "identity": "passthrough",
    "chunk": "split",
    "mul": "product",
}


class Builder:
    """Collects ops; each ``add`` reads the op added before unless ``reads`` names others."""

    def __init__(self, **ref: Any) -> None:
        self.ref = ModelRef(**{"file": "net.py", "name": "Net", "origin": "class", **ref})
        self.ops: list[Op] = []
        self.edges: list[Edge] = []
        self.modules: list[ModuleInfo] = []
        self.complete = True

    def add(
        self,
        kind: str,
        layer: str = "",
        *,
        module: str | None = None,
        reads: tuple[str, ...] | None = None,
        shape: Shape | None = None,
        line: int = 0,
        tags: str = "",
        **facts: Any,
    ) -> str:
        """The id (the layer's name) of a new op of ``kind``; underscores in facts become dashes."""
        name = layer or f"{kind}{len(self.ops)}"
        if reads is None:
            reads = (self.ops[-1].id,) if self.ops and kind != "input" else ()
        by_id = {op.id: op for op in self.ops}
        op = Op(
            id=name,
            kind=kind,
            tags=frozenset([kind, *TAGS.get(kind, "").split(), *tags.split()]),
            layer=name,
            module=name if module is None else module,
            types=(f"torch.nn.{kind}",),
            facts={k.replace("_", "-"): v for k, v in facts.items()},
            inputs=tuple((by_id[r].outputs or (None,))[0] for r in reads),
            outputs=(shape,),
            construction=Location("net.py", line or len(self.ops) + 1),
        )
        self.ops.append(op)
        self.edges += [Edge(r, name, n) for n, r in enumerate(reads)]
        return name

    def chain(self, *kinds: str) -> Builder:
        """Adds each kind after the other; returns the builder itself."""
        for kind in kinds:
            self.add(kind)
        return self

    def build(self, source: str = "none") -> ModelGraph:
        """The graph so far."""
        from dataclasses import replace

        return ModelGraph(
            ref=replace(self.ref, inputs=Inputs(source)) if source != "none" else self.ref,
            ops=tuple(self.ops),
            edges=tuple(self.edges),
            trace=Trace("hand", self.complete),
            modules=tuple(self.modules),
        )
