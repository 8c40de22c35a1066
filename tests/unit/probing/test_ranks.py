from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bnlint.probing.probe_model import probe
from tests.unit.probing.ranks_worker import nets

ROOT = Path(__file__).parents[3]


def test_two_processes_see_what_one_process_sees(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2",
               "--master-addr=127.0.0.1", f"--master-port={29500 + os.getpid() % 400}",
               "-m", "tests.unit.probing.ranks_worker", str(out)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    *texts, message = out.read_text().split("\n===\n")
    assert "rank 1: the model's forward raised" in message
    merged = [json.loads(text)["probe"] for text in texts]
    for found, (model, x) in zip(merged, nets(), strict=True):
        alone = json.loads(probe(model, [x[:40], x[40:]]).to_json())["probe"]
        assert found["notes"] == ["merged over 2 ranks"]
        assert (found["samples"], found["batches"]) == (64, 2)
        for name in ("activations", "norms", "kernels"):
            assert len(found[name]) == len(alone[name])
            for a, b in zip(found[name], alone[name], strict=True):
                assert numbers(a) == pytest.approx(numbers(b), rel=1e-5)
                assert words(a) == words(b)


def numbers(row: dict) -> dict:
    return {k: v for k, v in row.items() if isinstance(v, float)}


def words(row: dict) -> dict:
    return {k: v for k, v in row.items() if not isinstance(v, float)}
