"""All checks of the probe on one device, within ten minutes: ``python benchmarks/on_device.py``.

The device is the accelerator of this machine, else the CPU, or what ``--device`` names. It runs the
probe of an example, the cost of a probe and of a watched training, ``torchrun`` with one rank, and
the tests of devices, and prints a table for ``benchmarks/README.md`` with the device's name. A
check that fails, or takes longer than its share, does not keep the others from running.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable


@dataclass(frozen=True, slots=True)
class Check:
    """A command, and the seconds that it may take."""

    name: str
    command: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check ended, and the last lines that it printed."""

    name: str
    said: str
    seconds: float
    output: str


def checks(device: str) -> tuple[Check, ...]:
    """All checks; their limits together are under ten minutes."""
    target = str(ROOT / "examples" / "initial_values.py") + "::Deep"
    probe = (PYTHON, "-m", "bnlint", "probe", target, "--device", device, "--exit-zero")
    how = ("--compare", "--steps", "5", "--no-cache", "--isolated")
    quick = torch.device(device).type == "cpu"  # a stand-in, which takes longer for each step
    rounds, loops = (("2", "--net", "mlp"), "1") if quick else (("8",), "2")
    rank = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1")
    tests = [f"tests/unit/probing/{name}.py" for name in ("test_device", "test_watch")]
    return (
        Check("probe", (*probe, *how), 90),
        Check(
            "cost of a probe",
            (PYTHON, "benchmarks/probe_cost.py", "--device", device, "--rounds", *rounds),
            150,
        ),
        Check(
            "cost of a watch",
            (PYTHON, "benchmarks/watch_cost.py", "--device", device, "--rounds", loops, "mlp"),
            150,
        ),
        Check("torchrun", (PYTHON, *rank, "benchmarks/one_rank.py", "--device", device), 60),
        Check("device tests", (PYTHON, "-m", "pytest", "-q", *tests), 120),
    )


def name_of(device: str) -> str:
    """What the device is called by its maker."""
    backend = getattr(torch, torch.device(device).type, None)
    named = getattr(backend, "get_device_name", None)
    return named() if named is not None else f"{device}, {os.cpu_count()} cores"


def run(check: Check) -> Outcome:
    """Runs one check from the root of the repository."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    how = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True}
    try:
        done = subprocess.run(check.command, timeout=check.seconds, check=False, **how)
        said = "passed" if done.returncode == 0 else f"failed with code {done.returncode}"
        output = done.stdout if done.returncode == 0 else done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        said = f"not finished after {check.seconds} s"
        output = (error.stdout or b"").decode(errors="replace")
    return Outcome(check.name, said, time.monotonic() - started, output)


def main() -> int:
    """Runs all checks, prints what they printed and the table; 1 if any of them failed."""
    accelerator = torch.accelerator.current_accelerator() if _has_accelerator() else None
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default=accelerator.type if accelerator else "cpu")
    given = parser.parse_args()
    outcomes = []
    for check in checks(given.device):
        outcome = run(check)
        outcomes.append(outcome)
        print(f"== {outcome.name}: {outcome.said}\n{outcome.output[-4000:]}", flush=True)
    print(f"{name_of(given.device)}, torch {torch.__version__}\n\n| check | result | s |")
    print("|---|---|---|")
    for outcome in outcomes:
        print(f"| {outcome.name} | {outcome.said} | {outcome.seconds:.0f} |")
    return int(any(outcome.said != "passed" for outcome in outcomes))


def _has_accelerator() -> bool:
    return hasattr(torch, "accelerator") and torch.accelerator.is_available()


if __name__ == "__main__":
    sys.exit(main())
