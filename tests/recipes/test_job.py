"""To add a job for children: one entry of ``jobs.py``, and the function that it names."""

from __future__ import annotations

from tests.recipes.conftest import Copy

COUNTING = '''"""The lines of a file, counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CountRequest:
    """A file, relative to the folder of the user."""

    name: str


@dataclass(frozen=True)
class Counted:
    """How many lines it has."""

    lines: int


def count_records(request: CountRequest) -> Iterator[Counted]:
    """One record."""
    yield Counted(len(Path(request.name).read_text().splitlines()))
'''
ENTRY = """from bnlint.loading.counting import Counted, CountRequest

COUNT = JobKind(
    "count",
    CountRequest,
    (Counted, Problem),
    "bnlint.loading.counting:count_records",
    confined=False,
)
KINDS = {**KINDS, "count": COUNT}


"""
CODE = """
from bnlint.isolation.endings import answer
from bnlint.isolation.processes import alone
from bnlint.isolation.jobs import Limits
from bnlint.loading.counting import CountRequest

for name in ("net.py", "gone.py"):
    request = CountRequest(name)
    with alone(request, Limits()) as ended:
        print(answer(request, ended))
"""


def test_a_job_is_one_entry_and_its_function(copy: Copy) -> None:
    copy.write("loading/counting.py", COUNTING)
    copy.insert("isolation/jobs.py", "def kind_of(", ENTRY)
    counted, gone = copy.run(code=CODE).stdout.splitlines()
    assert counted == "Counted(lines=7)"
    assert "gone.py" in gone
    assert "internal error in bnlint, not in your code" in gone
    assert "FileNotFoundError" in gone
