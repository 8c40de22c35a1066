"""What ``bnlint.watch`` costs a training loop: ``python benchmarks/watch_cost.py``.

Two hundred steps of plain SGD, bare and watched every hundredth step, in turns in one process; the
ratio of the CPU time of the fastest of each is printed (goal: at most 1.02).
"""

from __future__ import annotations

import argparse
import time

import torch
from probe_cost import NETS
from torch import Tensor, nn
from torch.nn import functional

import bnlint


def train(model: nn.Module, x: Tensor, steps: int) -> None:
    """Some steps on one batch with made-up labels."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    target = torch.arange(len(x)) % 10
    for _ in range(steps):
        optimiser.zero_grad()
        functional.cross_entropy(model(x), target).backward()
        optimiser.step()


def seconds(model: nn.Module, x: Tensor, steps: int, *, watched: bool) -> float:
    """CPU seconds of a training loop."""
    started = time.process_time()
    if watched:
        with bnlint.watch(model, every=100):
            train(model, x, steps)
    else:
        train(model, x, steps)
    return time.process_time() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("nets", nargs="*", default=["mlp"])
    given = parser.parse_args()
    for name in given.nets:
        model, x = NETS[name]()
        train(model, x, 5)
        best = {False: float("inf"), True: float("inf")}
        for _ in range(given.rounds):
            for watched in best:
                found = seconds(model, x, given.steps, watched=watched)
                best[watched] = min(best[watched], found)
        print(f"{name:8} watched / bare {best[True] / best[False]:.3f}  (goal 1.02)")


if __name__ == "__main__":
    main()
