"""What a probe costs: its time and memory over a bare forward and backward of the same model.

The bare step, what the probe collects in it, the same within its guard, and a naive probe (a
forward hook on each activation that copies its input) take turns in one process; the ratio of the
fastest of each is printed (CPU time on the CPU: other load only ever slows a step down). Beside it
are the extra passes of a whole probe (other samples, evaluation, the gradient of all outputs), in
bare steps. On a busy machine set ``OMP_NUM_THREADS=1``. The memory is the most that the tensors of
a step take at a time, which torch counts on the CPU as on a GPU; a process's resident memory varies
by more than a probe takes.
Run: ``python benchmarks/probe_cost.py [--device cuda]``.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Callable
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from bnlint.layers.table import builtin_table
from bnlint.probing.given.batches import Batch
from bnlint.probing.observation import observe
from bnlint.probing.session import Session
from bnlint.probing.trying.trials_of import Attempts, tried
from bnlint.probing.untouched import Untouched

STEPS = ("bare", "step", "probe", "naive")


class Block(nn.Module):
    """A residual block whose activations work in place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + x)


def mlp() -> tuple[nn.Module, Tensor]:
    """Twelve layers of 512 on 256 samples."""
    layers: list[nn.Module] = []
    for _ in range(12):
        layers += [nn.Linear(512, 512), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(512, 10)), torch.randn(256, 512)


def resnet() -> tuple[nn.Module, Tensor]:
    """Eight residual blocks of 32 channels, in place, on 64 images of 32 x 32."""
    stem = [nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    model = nn.Sequential(*stem, *(Block(32) for _ in range(8)), *head)
    return model, torch.randn(64, 3, 32, 32)


def cnn() -> tuple[nn.Module, Tensor]:
    """Twenty plain convolutions of 32 channels on 64 images of 32 x 32."""
    layers: list[nn.Module] = []
    for i in range(20):
        layers += [nn.Conv2d(3 if i == 0 else 32, 32, 3, padding=1), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    return nn.Sequential(*layers, *head), torch.randn(64, 3, 32, 32)


NETS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {"mlp": mlp, "resnet": resnet, "cnn": cnn}


def bare(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """A forward and a backward, as training does them."""
    loss = functional.cross_entropy(model(x), y)
    torch.autograd.grad(loss, list(model.parameters()))


def naive(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """What many write: copy what enters each activation, and look at it afterwards."""
    kept: list[Tensor] = []
    gradients: list[Tensor] = []

    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        kept.append(inputs[0].detach().clone())
        if inputs[0].requires_grad:
            inputs[0].register_hook(lambda g: gradients.append(g.clone()))

    acts = [m for m in model.modules() if isinstance(m, nn.ReLU)]
    handles = [m.register_forward_pre_hook(hook) for m in acts]
    try:
        bare(model, x, y)
    finally:
        for handle in handles:
            handle.remove()
    for values in kept:
        dims = [d for d in range(values.ndim) if d != 1]
        values.mean(dims), values.var(dims), values.amax(dims), values.amin(dims)
        (values <= 0).float().mean()
        torch.histc(values.float(), 50)
    for values in gradients:
        values.abs().amax([d for d in range(values.ndim) if d != 1])


def collecting(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """What the probe collects in the step itself."""
    session = Session(model, x.device, None, functional.cross_entropy, builtin_table())
    observe(session, [Batch((x,), {}, y)])


def probing(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """The same with the guard around it, which keeps the model as it is: a few ms for a probe."""
    session = Session(model, x.device, None, functional.cross_entropy, builtin_table())
    with Untouched(session.watched, x.device):
        observe(session, [Batch((x,), {}, y)])


def extra(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """The passes of a probe besides the observed step."""
    session = Session(model, x.device, None, functional.cross_entropy, builtin_table())
    with Untouched(session.watched, x.device):
        tried(Attempts(session), Batch((x,), {}, y), sound=True)


def timed(
    step: Callable[[nn.Module, Tensor, Tensor], None], model: nn.Module, x: Tensor, y: Tensor
) -> float:
    """Seconds of one step: CPU time on the CPU, else with the device idle before and after."""
    clock = time.process_time if x.device.type == "cpu" else time.perf_counter
    wait()
    start = clock()
    step(model, x, y)
    wait()
    return clock() - start


def wait() -> None:
    """Lets an accelerator finish."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def peak(step: str, model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The most that the tensors of one step take at a time, in MiB, beyond model and batch."""
    RUN[step](model, x, y)
    gc.collect()
    if x.device.type != "cpu":
        backend = getattr(torch, x.device.type)
        backend.reset_peak_memory_stats()
        before = backend.memory_allocated()
        RUN[step](model, x, y)
        return float(backend.max_memory_allocated() - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        RUN[step](model, x, y)
    results = seen.profiler.kineto_results
    changes = [event for event in results.events() if event.name() == "[memory]"]
    changes.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in changes)) / 2**20


RUN = {"bare": bare, "step": collecting, "probe": probing, "naive": naive, "extra": extra}


def main() -> None:
    """Print a line for each net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--net", choices=list(NETS), action="append")
    given = parser.parse_args()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler tells of its start otherwise
    heads = f"{'net':<8}{'bare ms':>9}{'step':>8}{'probe':>8}{'extra':>8}{'naive':>8}"
    print(f"{heads}{'  memory: probe':>16}{'naive':>8}")
    for name in given.net or NETS:
        torch.manual_seed(0)
        model, x = NETS[name]()
        model, x = model.to(given.device), x.to(given.device)
        y = torch.randint(10, (len(x),), device=given.device)
        seconds: dict[str, list[float]] = {step: [] for step in STEPS}
        for number in range(given.rounds + 2):
            for step in STEPS:
                taken = timed(RUN[step], model, x, y)
                if number >= 2:
                    seconds[step].append(taken)
        fastest = {step: min(all_) for step, all_ in seconds.items()}
        passes = min(timed(extra, model, x, y) for _ in range(2)) / fastest["bare"]
        memory = {step: peak(step, model, x, y) for step in STEPS}
        print(
            f"{name:<8}{fastest['bare'] * 1e3:>9.1f}"
            f"{fastest['step'] / fastest['bare']:>8.2f}{fastest['probe'] / fastest['bare']:>8.2f}"
            f"{passes:>8.2f}"
            f"{fastest['naive'] / fastest['bare']:>8.2f}{memory['probe'] / memory['bare']:>16.2f}"
            f"{memory['naive'] / memory['bare']:>8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
