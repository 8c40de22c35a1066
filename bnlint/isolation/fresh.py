"""A fresh process for each file, for systems that cannot fork."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from bnlint.domain.request import TraceOutcome, TraceRequest
from bnlint.isolation import verdict
from bnlint.isolation.pool import start
from bnlint.isolation.protocol import Ended, Limits, ask

_START_UP = 60.0
"""Seconds granted to the import of torch, which the limit on the file does not count."""


def trace_fresh(
    requests: Iterable[TraceRequest], jobs: int, limits: Limits
) -> Iterator[TraceOutcome]:
    """The outcomes in the order of the requests."""
    source = iter(requests)
    with ThreadPoolExecutor(jobs) as executor:
        waiting: list[Future[TraceOutcome]] = []
        while True:
            for request in islice(source, jobs * 2 - len(waiting)):
                waiting.append(executor.submit(_trace_one, request, limits))
            if not waiting:
                return
            yield waiting.pop(0).result()


def _trace_one(request: TraceRequest, limits: Limits) -> TraceOutcome:
    with tempfile.TemporaryDirectory(prefix="bnlint-", ignore_cleanup_errors=True) as folder:
        return verdict.outcome(request, _run(request, folder, limits), limits)


def _run(request: TraceRequest, folder: str, limits: Limits) -> Ended:
    settings = {"timeout": limits.timeout, "max_memory": limits.max_memory, "folder": folder}
    began, killed = time.monotonic(), ""
    process = start(
        settings, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.communicate(ask(0, request), timeout=limits.seconds + _START_UP)
    except subprocess.TimeoutExpired:
        killed = "timeout"
        _end(process)
    return Ended(0, folder, process.returncode, killed, time.monotonic() - began)


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
