"""Mutate good models and count what is found: ``python -m benchmarks.mutations``.

Needs the `zoo` extra. Models of torchvision and timm are built without weights on `meta`; in a
copy of each, one layer is changed at a time, at places drawn by chance (always the same ones). A
fault is found when its rule fires at warning or above at the layer that was changed; behind a
smooth activation, such as SiLU, a hint will do.

Missed on purpose: a norm moved behind its activation, where another activation follows it (the stem
of xception41). Norm, activation and kernel in this order are a pre-activation block. A norm that is
never called, where the norm of the next block follows (visformer's patch embeddings).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import torch

from .forward_faults import MUTATIONS
from .measure import Bench, Planted
from .models import NAMES, entries


def main() -> None:
    """Print every miss as it is met, then the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--models", default="", help="only models whose name holds this")
    parser.add_argument("--only", default="", choices=["", *MUTATIONS])
    parser.add_argument("--per-fault", type=int, default=2, help="of each kind in each model")
    given = parser.parse_args()
    torch.set_num_threads(1)
    planted: list[Planted] = []
    models = 0
    for entry in entries(name for name in NAMES if given.models in name):
        bench = Bench(entry)
        models += 1
        for rule, count in sorted(Counter(f.rule for f in bench.findings()).items()):
            print(f"{entry.name}, as it is: {rule} at {count} layers", flush=True)
        for fault in [given.only] if given.only else MUTATIONS:
            for one in bench.mutate(fault, given.per_fault):
                planted.append(one)
                if not one.found:
                    _show_miss(one)
        if sys.stderr.isatty():
            print(f"\r{models} models, {len(planted)} faults", end="", file=sys.stderr)
    _show_table(planted, models)


def _show_miss(one: Planted) -> None:
    print(
        f"missed: {one.model}: {one.fault} ({one.rule}) at {' or '.join(one.layers)}: "
        f"{one.instead}",
        flush=True,
    )


def _show_table(planted: list[Planted], models: int) -> None:
    every, found = Counter(p.fault for p in planted), Counter(p.fault for p in planted if p.found)
    print(f"\n| fault, in {models} models | rule | planted | found |\n|---|---|---|---|")
    for fault, mutation in MUTATIONS.items():
        if every[fault]:
            print(f"| {fault} | {mutation.rule} | {every[fault]} | {found[fault]} |")
    total = every.total()
    if total:
        share = 100 * found.total() / total
        print(f"| all | | {total} | {found.total()} ({share:.2f} %) |")


if __name__ == "__main__":
    main()
