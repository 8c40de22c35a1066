"""What a run costs beside the bare work: ``python benchmarks/startup.py``.

Prints ratios of wall-clock medians, measured in turns in one run:

- one file: ``bnlint resnet50.py`` over a bare script that imports torch and torch.fx, imports the
  same file, builds it on ``meta`` and traces it symbolically (goal: at most 1.15);
- each further file of that size in the same run over its bare import, build and trace, with a job a
  core as by default (goal: at most 1.5), and with one job;
- a warm run on unchanged files over ``import torch`` (goal: at most 0.06);
- ``bnlint --help`` and ``bnlint explain``, which never import torch, over ``import torch``;
- CPU time of ``bnlint probe`` of a small net, with its static run, over that of ``import torch``
  (goal: at most 2, so that torch is imported once).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, x):
        return self.two(torch.relu(self.one(x)))
"""

MODEL = Path(__file__).parent / "models" / "resnet50.py"
ROUNDS = 7
FURTHER = 10
BARE = """
import sys, time, importlib.util
import torch, torch.fx
started = time.perf_counter()
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("net", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.device("meta"):
        model = module.ResNet()
    torch.fx.symbolic_trace(model)
"""


def seconds(*command: str) -> float:
    """Wall-clock seconds of one run of a command."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


def cpu_seconds(*command: str) -> float:
    """The least CPU seconds of three runs of a command and of all that it starts."""
    found = []
    for _ in range(3):
        before = os.times()
        seconds(*command)
        after = os.times()
        children = after.children_user + after.children_system
        found.append(children - before.children_user - before.children_system)
    return min(found)


def medians(**commands: list[str]) -> dict[str, float]:
    """The median of several rounds in which every command runs once, after a round to warm up."""
    for command in commands.values():
        seconds(*command)
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            found[name].append(seconds(*command))
    return {name: statistics.median(times) for name, times in found.items()}


def copies(folder: Path, count: int) -> list[str]:
    """The model file several times, each with a text of its own."""
    text = MODEL.read_text()
    paths = []
    for number in range(count):
        path = folder / f"resnet_{number}.py"
        path.write_text(f"{text}\n# copy {number}\n")
        paths.append(str(path))
    return paths


def main() -> None:
    """Measure and print."""
    python, bnlint = sys.executable, [sys.executable, "-m", "bnlint"]
    with tempfile.TemporaryDirectory() as name:
        files = copies(Path(name), 1 + FURTHER)
        cold = [*bnlint, "--no-cache", "--isolated"]
        warm = [*bnlint, "--isolated", "--cache-dir", f"{name}/cache"]
        small = Path(name) / "small.py"
        small.write_text(SMALL)
        probe = cpu_seconds(*bnlint, "probe", "--no-cache", "--isolated", "--exit-zero", str(small))
        torch = cpu_seconds(python, "-c", "import torch")
        found = medians(
            bare=[python, "-c", BARE, files[0]],
            bare_all=[python, "-c", BARE, *files],
            one=[*cold, files[0]],
            all=[*cold, *files],
            serial=[*cold, "-j", "1", *files],
            warm=[*warm, *files],
            torch=[python, "-c", "import torch"],
            help=[*bnlint, "--help"],
            explain=[*bnlint, "explain", "BN301"],
        )
    bare_further = (found["bare_all"] - found["bare"]) / FURTHER
    further = (found["all"] - found["one"]) / FURTHER
    serial = (found["serial"] - found["one"]) / FURTHER
    print(f"import torch                {found['torch']:.2f} s")
    print(f"one file                    {found['one'] / found['bare']:.2f}  (goal 1.15)")
    print(f"each further file           {further / bare_further:.2f}  (goal 1.50)")
    print(f"the same with one job       {serial / bare_further:.2f}")
    print(f"warm run / import torch     {found['warm'] / found['torch']:.3f} (goal 0.060)")
    print(f"--help / import torch       {found['help'] / found['torch']:.3f}")
    print(f"explain / import torch      {found['explain'] / found['torch']:.3f}")
    print(f"CPU of a probe / torch      {probe / torch:.2f}  (goal 2.00; {probe:.1f} s)")
    print(
        f"bare {found['bare']:.3f} s, one {found['one']:.3f} s, further {further * 1000:.0f} ms, "
        f"bare further {bare_further * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
