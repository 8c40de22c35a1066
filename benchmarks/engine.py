"""What the engine costs: all rules on a 20,000-op graph over a 2,000-op one, in one run.

Run with ``python benchmarks/engine.py``; the ratio must stay at or below 11.
"""

from __future__ import annotations

import time

from bnlint.config import Settings
from bnlint.domain.graph import Edge, ModelGraph, ModelRef, ModuleInfo, Op, Trace
from bnlint.engine.catalogue import built_in_files, load_rules
from bnlint.engine.check import check_graph

SETTINGS = Settings().for_rules()
CHAIN = (
    ("conv2d", {"conv2d", "conv", "kernel"}, {"bias": True, "in-channels": 8, "out-channels": 8}),
    ("batchnorm2d", {"batchnorm2d", "batchnorm", "norm"}, {"channels": 8, "eps": 1e-5}),
    ("relu", {"relu", "relu-family", "activation"}, {"inplace": True}),
)


def residual_graph(size: int) -> ModelGraph:
    """Blocks of conv, norm, activation and an add, ``size`` ops in all."""
    ops: list[Op] = []
    edges: list[Edge] = []
    modules = [ModuleInfo("", "other", frozenset(), ("bench.Net",), calls=1, eval_calls=1)]
    last = ""
    for n in range(size // 4):
        path, source = f"blocks.{n}", last
        modules.append(ModuleInfo(path, "other", frozenset(), ("bench.Block",), calls=1))
        for kind, tags, facts in CHAIN:
            layer = f"{path}.{kind}"
            if kind == "conv2d":
                facts = {**facts, "bias": n % 20 == 0}
            ops.append(Op(layer, kind, frozenset(tags), layer, layer, (f"nn.{kind}",), facts))
            edges += [Edge(source, layer)] if source else []
            source = layer
        ops.append(Op(f"{path}.add", "add", frozenset(("add",)), f"{path}.add()", path, ("add",)))
        edges += [Edge(source, f"{path}.add", 0), *([Edge(last, f"{path}.add", 1)] if last else [])]
        last = f"{path}.add"
    trace = Trace("none", complete=True)
    return ModelGraph(ModelRef("b", "B", "class"), tuple(ops), tuple(edges), trace, tuple(modules))


def seconds(graph: ModelGraph, repeats: int = 5) -> float:
    """The least CPU time of all rules on ``graph``: what the machine does beside only adds."""
    rules = load_rules(built_in_files())
    times = []
    for _ in range(repeats):
        start = time.process_time()
        check_graph(graph, rules, SETTINGS)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print both times and their ratio."""
    small, big = seconds(residual_graph(2_000)), seconds(residual_graph(20_000))
    print(f"2,000 ops: {small * 1e3:.1f} ms; 20,000 ops: {big * 1e3:.1f} ms")
    print(f"ratio: {big / small:.2f} (at most 11)")


if __name__ == "__main__":
    main()
