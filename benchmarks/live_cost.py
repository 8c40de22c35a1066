"""What checking a built model costs beside tracing it: ``python benchmarks/live_cost.py``.

``bnlint.check_model`` of a ResNet-50 on ``meta``, with its input and without, against
``torch.fx.symbolic_trace`` of the same model, in turns in one process; the ratio of the medians of
the CPU time is printed (goal: at most 2.0). Runs in an empty folder, as in a project without a
config of bnlint's.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
from models.resnet50 import ResNet
from torch import fx

import bnlint


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        measure(given.rounds)


def measure(rounds: int) -> None:
    """Some rounds of each, in turns."""
    with torch.device("meta"):
        model = ResNet()
        x = torch.empty(2, 3, 224, 224)
    works: dict[str, Callable[[], object]] = {
        "traced": lambda: fx.symbolic_trace(model),
        "with its input": lambda: bnlint.check_model(model, (x,)),
        "without input": lambda: bnlint.check_model(model),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 2):
        for name, work in works.items():
            spent = seconds(work)
            if turn >= 2:  # the first turns import and warm up
                taken[name].append(spent)
    bare = statistics.median(taken.pop("traced"))
    for name, all_spent in taken.items():
        ratio = statistics.median(all_spent) / bare
        print(f"check_model {name:15} / symbolic_trace {ratio:.2f}  (goal 2.0)")


if __name__ == "__main__":
    main()
