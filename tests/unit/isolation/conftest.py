from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bnlint.domain.request import ModelSpec, TraceOutcome, TraceRequest
from bnlint.isolation.pool import Pool

LINEAR = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x):
        return self.layer(x)
"""

Check = Callable[..., TraceOutcome]


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool(jobs=2, timeout=20, max_memory=400 << 20, sandbox="off") as pool:
        yield pool


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    def write(code: str, name: str = "net.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))
        return str(path)

    return write


@pytest.fixture
def check(pool: Pool, write: Callable[[str, str], str]) -> Check:
    """Trace one piece of source in a child; ``named`` are the models asked for."""

    def check(code: str, *named: str, name: str = "net.py", pool: Pool = pool) -> TraceOutcome:
        request = TraceRequest(write(code, name), models=tuple(map(ModelSpec, named)))
        (outcome,) = pool.trace([request])
        return outcome

    return check
