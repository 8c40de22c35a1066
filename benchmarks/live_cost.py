"""What checking a built model costs beside tracing it: ``python benchmarks/live_cost.py``.

``bnlint.check_model`` of a ResNet-50 on ``meta``, with its input and without, against
``torch.fx.symbolic_trace`` of the same model, in turns in one process; the ratio of the medians of
the CPU time is printed (goal: at most 1.3). So is the median of that ratio over a sample of timm's
models that fx can trace, each with its input. Runs in an empty folder, as in a project without a
config of bnlint's.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.util
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable

import torch
from models.resnet50 import ResNet
from torch import fx
from zoo.families.timm import timm_entries

import bnlint

GOAL = 1.3


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
    parser.add_argument("--every", type=int, default=100, help="of timm, every N-th model")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        measure(given.rounds)
        if importlib.util.find_spec("timm"):
            measure_timm(given.rounds, given.every)


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
        print(f"check_model {name:15} / symbolic_trace {ratio:.2f}  (goal {GOAL})")


def measure_timm(rounds: int, every: int) -> None:
    """Some rounds of each model of a sample; what fx refuses is left out."""
    ratios: list[float] = []
    entries = list(timm_entries())[::every]
    for entry in entries:
        with torch.device("meta"):
            model = entry.build()
        args, _ = entry.inputs(model)
        with contextlib.suppress(Exception), warnings.catch_warnings():  # fx may raise anything
            warnings.simplefilter("ignore")
            traced = repeated(lambda m=model: fx.symbolic_trace(m), rounds)
            checked = repeated(lambda m=model, a=args: bnlint.check_model(m, a), rounds)
            ratios.append(checked / traced)
    ratio = statistics.median(ratios)
    print(f"check_model {f'{len(ratios)} of timm':15} / symbolic_trace {ratio:.2f}  (goal {GOAL})")


def repeated(work: Callable[[], object], rounds: int) -> float:
    """The median CPU seconds of a call that was warmed up."""
    work()
    return statistics.median(seconds(work) for _ in range(max(rounds // 5, 1)))


if __name__ == "__main__":
    main()
