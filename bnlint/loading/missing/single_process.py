"""The communication of a single process with itself, where mpi4py is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any


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
