"""A probe under torchrun: ``torchrun --nproc-per-node=1 benchmarks/one_rank.py``."""

from __future__ import annotations

import argparse
import os

import torch
from probe_cost import resnet
from torch import distributed, nn

import bnlint


def main() -> None:
    """Probes a wrapped model on its shard and prints what it measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = torch.device(given.device)
    if device.type != "cpu":
        device = torch.device(device.type, int(os.environ.get("LOCAL_RANK", "0")))
        torch.accelerator.set_device_index(device.index)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    model, x = resnet()
    wrapped = nn.parallel.DistributedDataParallel(model.to(device))
    result = bnlint.probe(wrapped, x.to(device))
    print(f"rank {distributed.get_rank()} of {distributed.get_world_size()} on {result.device}")
    print(f"{len(result.activations)} activations, {result.samples} samples")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
