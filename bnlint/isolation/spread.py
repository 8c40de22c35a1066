"""Files spread over an executor that somebody else runs: a process pool, a Dask cluster, threads.

A task that is lost (its worker died, the pool broke) is not blamed on the file: what was lost is
traced again here, in isolation and under the limits, which also tells a deadly file from bad luck.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any

from bnlint.domain.codec import decode, encode
from bnlint.domain.errors import BnlintError, Mistake, UsageError
from bnlint.domain.request import TraceOutcome, TraceRequest
from bnlint.isolation.pool import Pool
from bnlint.isolation.protocol import Limits
from bnlint.isolation.task import trace_task

_Futures = dict[int, "Future[Any] | None"]


def trace_spread(
    executor: Executor, requests: Sequence[TraceRequest], jobs: int, limits: Limits
) -> Iterator[TraceOutcome]:
    """The outcomes in the order of the requests; ``jobs`` is for what has to be traced again here.

    Raises
    ------
    UsageError
        When the executor takes no tasks, or its workers cannot import bnlint or torch.

    """
    sent = [encode(request) for request in requests]
    futures = {n: _submit(executor, data, encode(limits)) for n, data in enumerate(sent)}
    again: dict[int, TraceOutcome] = {}
    try:
        for n in range(len(requests)):
            if n in again:
                yield again.pop(n)
                continue
            data = _result(futures.pop(n))
            if data is None:
                wave = [n, *_lost(futures)]
                again |= _trace_here([(m, requests[m]) for m in wave], jobs, limits)
                futures = {m: f for m, f in futures.items() if m not in again}
                yield again.pop(n)
            else:
                yield decode(TraceOutcome, data)
    finally:
        for future in futures.values():
            if future is not None:
                future.cancel()


def _submit(executor: Executor, request: Any, limits: Any) -> Future[Any] | None:
    """The future of one task; None when the executor broke while tasks were handed out."""
    try:
        return executor.submit(trace_task, request, limits)
    except BrokenExecutor:
        return None
    except (AttributeError, TypeError, RuntimeError) as error:
        hint = "give one with submit(), such as ProcessPoolExecutor() or client.get_executor()"
        raise UsageError(Mistake(f"the executor takes no tasks: {error}", hint=hint)) from error


def _result(future: Future[Any] | None) -> Any:
    """What the task returned; None when it was lost."""
    try:
        return None if future is None else future.result()
    except BnlintError:
        raise
    except ImportError as error:
        hint = "install the same bnlint in the environment of the executor's workers"
        raise UsageError(Mistake(f"a worker of the executor failed: {error}", hint=hint)) from error
    except (Exception, CancelledError):
        return None


def _lost(futures: _Futures) -> Iterator[int]:
    """The tasks that are known to be lost too: a pool that breaks takes all of its tasks along."""
    for n, future in futures.items():
        if future is None or (future.done() and _failed(future)):
            yield n


def _failed(future: Future[Any]) -> bool:
    if future.cancelled():
        return True
    error = future.exception()
    return error is not None and not isinstance(error, (BnlintError, ImportError))


def _trace_here(
    lost: Sequence[tuple[int, TraceRequest]], jobs: int, limits: Limits
) -> dict[int, TraceOutcome]:
    """The outcomes of lost requests by their number, from a worker of our own."""
    with Pool(min(jobs, len(lost)), limits.timeout, limits.max_memory) as pool:
        outcomes = pool.trace([request for _, request in lost])
        return {n: outcome for (n, _), outcome in zip(lost, outcomes, strict=True)}
