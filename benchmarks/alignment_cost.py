"""CPU seconds to align two graphs of 5,000 operations: ``python -m benchmarks.alignment_cost``."""

from __future__ import annotations

import time
from dataclasses import replace

from bnlint.comparing.canonical import Canonical
from bnlint.comparing.key_maps import Plans
from bnlint.domain.graph import Edge, ModelGraph, ModelRef, Op, StateInfo, Trace

_KINDS = ("conv2d", "batchnorm2d", "relu", "add", "linear")


def graph(count: int, prefix: str, skip: int = 0) -> ModelGraph:
    """A chain of many operations with skip connections; every ``skip``-th one is left out."""
    ops, edges, states = [Op("x", "input", frozenset(), "x", "", ())], [], []
    last = "x"
    for n in range(count):
        if skip and n % skip == skip - 1:
            continue
        kind, layer = _KINDS[n % len(_KINDS)], f"{prefix}.{n // 5}.{n % 5}"
        keys = (f"{layer}.weight", f"{layer}.bias") if kind in ("conv2d", "linear") else ()
        states += [StateInfo(key, (64,)) for key in keys]
        exact = {"name": kind, "width": 64 + n // 500}
        ops.append(Op(str(n), kind, frozenset(), layer, layer, (), exact=exact, reads=keys))
        edges.append(Edge(last, str(n)))
        last = str(n)
    ref = ModelRef("net.py", "Net", "class")
    return ModelGraph(ref, tuple(ops), tuple(edges), Trace("symbolic", True), states=tuple(states))


def main() -> None:
    old = graph(5000, "body")
    settings = replace(old, ops=tuple(
        replace(op, exact={**op.exact, "stride": 2}) if n % 100 == 50 else op
        for n, op in enumerate(old.ops)))  # fmt: skip
    pairs = {
        "renamed prefix": graph(5000, "features"),
        "every 50th operation removed": graph(5000, "body", 50),
        "the same, renamed": graph(5000, "features", 50),
        "50 settings changed": settings,
        "twice as long": graph(10000, "body"),
    }
    for name, new in pairs.items():
        start = time.process_time()
        plans = Plans.of(Canonical.of(old), Canonical.of(new))
        spent = time.process_time() - start
        found, _ = plans.found[0]
        print(f"{name}: {spent:.2f} s, {len(found.pairs)} pairs, {len(found.moved)} moved, "
              f"{len(found.added)} added, {len(found.removed)} removed")  # fmt: skip


if __name__ == "__main__":
    main()
