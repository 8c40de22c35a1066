"""Run by torchrun in a test: probes the shard of this rank, and rank 0 writes what it sees."""

from __future__ import annotations

import os
import sys

import torch
from torch import distributed, nn

from bnlint.domain.errors import ProbeError
from bnlint.probing.probe_model import probe
from tests.unit.probing.nets import ResNet, mlp


class Written(nn.Module):
    """Kernels of one name: two products of the same forward."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = (nn.Parameter(torch.randn(32, 32)) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ self.one) @ self.two


def nets() -> list[tuple[nn.Module, torch.Tensor]]:
    torch.manual_seed(0)
    flat = torch.randn(64, 32)
    return [(mlp(3), flat), (ResNet(), torch.randn(64, 3, 8, 8) + 1), (Written(), flat)]


def message(rank: int) -> str:
    """What a rank is told when only rank 1 cannot go on."""
    try:
        probe(mlp(1), torch.randn(8, 32 if rank == 0 else 7))
    except ProbeError as error:
        return str(error)
    return ""


def main(path: str) -> None:
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    results = []
    for model, x in nets():
        shard = x[:40] if rank == 0 else x[40:]
        wrapped = nn.parallel.DistributedDataParallel(model)
        results.append(probe(wrapped, shard).to_json())
    results.append(message(rank))
    if rank == 0:
        with open(path, "w") as file:
            file.write("\n===\n".join(results))
    distributed.barrier()
    distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a thread of torch that wants the GIL while Python ends aborts the process


if __name__ == "__main__":
    main(sys.argv[1])
