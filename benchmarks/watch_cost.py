"""What ``bnlint.watch`` costs a training loop: ``python benchmarks/watch_cost.py [--device cuda]``.

Two hundred steps of plain SGD, bare and watched every hundredth step, in turns in one process; the
ratio of the fastest of each is printed (goal: at most 1.02). On the CPU it is CPU time, and other
load only ever slows a loop down; on an accelerator it is the time until the device is idle.
"""

from __future__ import annotations

import argparse
import time

import torch
from probe_cost import NETS, wait
from torch import Tensor, nn
from torch.nn import functional

import bnlint


def train(model: nn.Module, x: Tensor, steps: int) -> None:
    """Some steps on one batch with arbitrary labels."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    target = torch.arange(len(x), device=x.device) % 10
    for _ in range(steps):
        optimiser.zero_grad()
        functional.cross_entropy(model(x), target).backward()
        optimiser.step()


def seconds(model: nn.Module, x: Tensor, steps: int, *, watched: bool) -> float:
    """Seconds of a training loop."""
    clock = time.process_time if x.device.type == "cpu" else time.perf_counter
    wait()
    started = clock()
    if watched:
        with bnlint.watch(model, every=100, quiet=True):
            train(model, x, steps)
    else:
        train(model, x, steps)
    wait()
    return clock() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("nets", nargs="*", default=["mlp"])
    given = parser.parse_args()
    for name in given.nets:
        model, x = NETS[name]()
        model, x = model.to(given.device), x.to(given.device)
        train(model, x, 5)
        best = {False: float("inf"), True: float("inf")}
        for _ in range(given.rounds):
            for watched in best:
                found = seconds(model, x, given.steps, watched=watched)
                best[watched] = min(best[watched], found)
        print(f"{name:8} watched / bare {best[True] / best[False]:.3f}  (goal 1.02)")


if __name__ == "__main__":
    main()
