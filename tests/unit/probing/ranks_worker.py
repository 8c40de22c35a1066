"""Run by torchrun in a test: probes the shard of this rank, and rank 0 writes what it sees."""

from __future__ import annotations

import sys

import torch
from torch import distributed, nn

from bnlint.probing.run import probe
from tests.unit.probing.nets import ResNet, mlp


def nets() -> list[tuple[nn.Module, torch.Tensor]]:
    torch.manual_seed(0)
    return [(mlp(3), torch.randn(64, 32)), (ResNet(), torch.randn(64, 3, 8, 8) + 1)]


def main(path: str) -> None:
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    results = []
    for model, x in nets():
        shard = x[:40] if rank == 0 else x[40:]
        wrapped = nn.parallel.DistributedDataParallel(model)
        results.append(probe(wrapped, shard).to_json())
    if rank == 0:
        with open(path, "w") as file:
            file.write("\n===\n".join(results))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
