"""The communication of a single process with itself: of torch, and of mpi4py that is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import distributed, nn


class _Alone:
    """What mpi4py calls a communicator, with one process in it."""

    rank, size = 0, 1

    def Get_rank(self) -> int:  # noqa: N802 -- the names are those of mpi4py
        """The number of this process."""
        return self.rank

    def Get_size(self) -> int:  # noqa: N802
        """The number of processes."""
        return self.size

    def bcast(self, value: Any, *_: Any, **__: Any) -> Any:
        """What the only process sends to all."""
        return value

    allreduce = reduce = scatter = bcast

    def gather(self, value: Any, *_: Any, **__: Any) -> list[Any]:
        """What all processes send."""
        return [value]

    allgather = gather

    def Barrier(self, *_: Any, **__: Any) -> None:  # noqa: N802
        """Wait for nobody."""

    barrier = Abort = Barrier


SINGLE_PROCESS: Mapping[tuple[str, str], Any] = {
    ("mpi4py", "MPI"): SimpleNamespace(COMM_WORLD=_Alone(), COMM_SELF=_Alone(), SUM=None, MAX=None)
}
"""What replaces a name of a missing package, by the package and the name."""


def answer_for_one_process() -> None:
    """Let functions of ``torch.distributed`` need no process group; for child processes.

    Each answers as in a group of this process alone, so that nothing is connected.
    """
    if not distributed.is_available():
        return
    answers: dict[str, Callable[..., Any]] = {
        **{name: _answering(value) for name, value in _ANSWERS.items()},
        "all_gather": _gather,
        "all_gather_into_tensor": _gather_into,
        "all_gather_object": _gather_objects,
    }
    for name, answer in answers.items():
        setattr(distributed, name, answer)
    nn.parallel.DistributedDataParallel = _Parallel  # type: ignore[misc,assignment]


_ANSWERS: Mapping[str, Any] = {
    "get_world_size": 1,
    "get_rank": 0,
    "get_backend": "gloo",
    **dict.fromkeys(("init_process_group", "destroy_process_group", "new_group", "barrier")),
    **dict.fromkeys(("all_reduce", "reduce", "broadcast", "broadcast_object_list")),
}
"""What functions return; tensors that they would change are those of this process already."""


def _answering(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def _gather(tensors: list[torch.Tensor], tensor: torch.Tensor, *_: Any, **__: Any) -> None:
    with torch.no_grad():
        for each in tensors:
            each.copy_(tensor)


def _gather_into(output: torch.Tensor, tensor: torch.Tensor, *_: Any, **__: Any) -> None:
    with torch.no_grad():
        output.copy_(tensor)


def _gather_objects(values: list[Any], value: Any, *_: Any, **__: Any) -> None:
    values[:] = [value] * len(values)


class _Parallel(nn.DataParallel[nn.Module]):
    """A wrapper that holds the model by the name of ``module``, as that for many processes does."""

    def __init__(self, module: nn.Module, *_: Any, **__: Any) -> None:
        super().__init__(module)


_Parallel.__module__, _Parallel.__name__ = "torch.nn.parallel.data_parallel", "DataParallel"
