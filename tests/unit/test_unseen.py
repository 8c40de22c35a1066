"""What is said of parts that no tracer saw: one note for each cause."""

from __future__ import annotations

from dataclasses import replace

from bnlint.domain.graph import Location, Opaque, Trace
from bnlint.pipeline.notes import unseen_parts
from tests.unit.graphs import Builder

LOOPS = "TraceError: Proxy object cannot be iterated"
PLAIN = "it loops over a tensor or unpacks one"


def messages(*parts: Opaque) -> list[str]:
    graph = replace(Builder().build(), trace=Trace("symbolic", complete=False, opaque=parts))
    return [problem.message for problem in unseen_parts(graph)]


def test_a_part_and_the_whole() -> None:
    assert messages(Opaque("head", LOOPS, None)) == [f"head was not seen whole: {PLAIN}"]
    assert messages(Opaque("", LOOPS, None)) == [f"its forward was not seen whole: {PLAIN}"]


def test_parts_with_one_cause_are_told_together() -> None:
    at = Location("net.py", 3)
    same = [Opaque(f"blocks.{i}", LOOPS, at) for i in range(9)]
    other = Opaque("head", "RuntimeError: no", at)
    assert messages(*same[:3], other) == [
        f"blocks.0, blocks.1 and blocks.2 were not seen whole: {PLAIN}",
        "head was not seen whole: RuntimeError: no",
    ]
    assert messages(*same) == [f"blocks.0, blocks.1 and 7 more parts were not seen whole: {PLAIN}"]


def test_the_same_reason_at_another_line_is_another_cause() -> None:
    parts = [Opaque(f"blocks.{i}", LOOPS, Location("net.py", i + 1)) for i in range(2)]
    assert len(messages(*parts)) == 2
