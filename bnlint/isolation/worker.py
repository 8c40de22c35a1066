"""The worker process: torch is loaded once, then each file gets a fork (or a process) of its own.

Started by the host with its settings as one argument of JSON; see :mod:`bnlint.isolation.pool`.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable

from bnlint.isolation import child
from bnlint.isolation.guards import ENVIRONMENT
from bnlint.isolation.protocol import Hello, Limits, asked, line

_TORCH_CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""Made by torch when its compiler is imported; kept out of the user's temporary folder."""


def main(arguments: list[str] | None = None) -> None:
    """Serve a pool over standard input and output, or trace one request in this process."""
    settings = json.loads((arguments or sys.argv[1:])[0])
    limits = Limits(settings["timeout"], settings["max_memory"])
    os.environ.update(ENVIRONMENT)
    if settings.get("folder"):
        _once(settings["folder"], limits)
    else:
        _serve(settings["jobs"], limits)


def _once(folder: str, limits: Limits) -> None:
    os.environ[_TORCH_CACHE] = os.path.join(folder, "torch")
    _, request = asked(sys.stdin.buffer.read())
    tracer, _ = _load()
    child.run(folder, request, limits, tracer)


def _serve(jobs: int, limits: Limits) -> None:
    """Move the pipes out of the way of anything that prints, load torch, and fork on request."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    try:
        tracer, warm = _load()
    except Exception as error:
        os.write(sink, line(Hello(error=f"{type(error).__name__}: {error}")))
        return
    folder = tempfile.mkdtemp(prefix="bnlint-")
    os.environ[_TORCH_CACHE] = os.path.join(folder, "torch")
    try:
        import torch

        from bnlint.isolation.zygote import Zygote

        gc.collect()
        gc.freeze()
        os.write(sink, line(Hello(torch=torch.__version__, folder=folder)))
        Zygote(source, sink, folder, jobs, limits, tracer, warm).serve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # taking torch down in good order takes a third of a second that the host waits for


def _load() -> tuple[child.Tracer, Callable[[], None]]:
    """Import torch and the tracer, which is most of what a short run takes.

    The second result warms up what only long runs should wait for.
    """
    import torch

    torch.set_num_threads(1)
    from bnlint.tracing.file import trace_records, warm_up

    return trace_records, warm_up


if __name__ == "__main__":
    main()
