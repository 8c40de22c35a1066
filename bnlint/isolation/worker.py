"""The worker process: torch is loaded once, then each job gets a fork of its own.

A fork of a process that has torch loaded takes milliseconds, a fresh import a second. Where a job
cannot be forked, this process does that one job itself. Jobs that are not confined get back what
this process was started with. Its only argument is a :class:`Setup` as JSON.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from bnlint.isolation.child import ENVIRONMENT, run_job
from bnlint.isolation.folders import HeldFolder
from bnlint.isolation.jobs import TRACE, Hello, Limits, Setup, asked, line, parsed
from bnlint.isolation.supervisor import supervise
from bnlint.isolation.zygote import Zygote

_TORCH_CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""Torch creates this folder when its compiler is imported; it is kept out of the user's own."""

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2


def main(arguments: list[str] | None = None) -> None:
    """Serve a pool over standard input and output, or do one job in this process."""
    setup = parsed(Setup, (arguments or sys.argv[1:])[0])
    warnings.simplefilter("ignore")  # of torch and the user's code, about other matters
    if setup.folder:
        _do_one(setup.folder, setup.limits)
    else:
        _serve(setup)


def _do_one(folder: str, limits: Limits) -> None:
    text = sys.stdin.buffer.read()
    if hasattr(os, "fork"):
        supervise(lambda: _work(text, folder, limits), folder)
    else:
        _work(text, folder, limits)


def _work(text: bytes, folder: str, limits: Limits) -> None:
    _, kind, request = asked(text)
    if kind.confined:
        os.environ.update(ENVIRONMENT)
        os.environ[_TORCH_CACHE] = os.path.join(folder, "torch")
        _load_torch()
    run_job(kind, request, folder, limits)


def _serve(setup: Setup) -> None:
    """Keep the pipes away from anything that prints, load torch, and fork on request."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    environment = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        threads = _load_torch()
        TRACE.load()
    except Exception as error:
        os.write(sink, line(Hello(error=f"{type(error).__name__}: {error}")))
        return
    held = HeldFolder.new()
    os.environ[_TORCH_CACHE] = os.path.join(held.path, "torch")
    try:
        gc.collect()
        gc.freeze()
        os.write(sink, line(Hello(held.path)))
        inherited = Inherited(environment, threads)
        zygote = Zygote(source, sink, held, setup.jobs, setup.limits, inherited)
        zygote.with_nurseries().serve()
    finally:
        held.remove()
    os._exit(0)  # the host would wait a third of a second for an orderly end of torch


def _load_torch() -> int:
    """Import torch, for one thread; the number of threads that it would use."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    return threads


@dataclass(frozen=True, slots=True)
class Inherited:
    """The environment and the number of threads that the user's own code would have."""

    environment: Mapping[str, str]
    threads: int

    def restore(self) -> None:
        """Undo in a child what this process set for confined jobs; what it prints is shown."""
        import torch

        os.environ.clear()
        os.environ.update(self.environment)
        torch.set_num_threads(self.threads)
        if self.environment.get("PYTORCH_JIT", "1") != "0":
            torch.jit._state.enable()
        os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)
