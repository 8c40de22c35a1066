"""Parts that need one missing package are one note, which names the package."""

from __future__ import annotations

from dataclasses import replace

from bnlint.domain.graph import Opaque
from bnlint.pipeline.notes import unseen_parts
from tests.unit.graphs import Builder


def test_parts_that_need_one_package_are_one_note() -> None:
    graph = Builder().build()
    parts = [
        Opaque(path, f"StubUsed: deepops.{name}() is needed, and deepops is not installed")
        for path, name in (("a", "ConvModule"), ("b", "build_norm"), ("c", "Linear"))
    ]
    graph = replace(graph, trace=replace(graph.trace, complete=False, opaque=tuple(parts)))
    (problem,) = unseen_parts(graph)
    assert problem.message.endswith("were only partly traced: deepops is not installed")
    assert "install deepops for a complete check" in problem.hint
    assert "StubUsed" not in problem.message


def test_a_package_that_fails_is_told_as_such() -> None:
    graph = Builder().build()
    part = Opaque("a", "StubUsed: deepops.Op is needed, and deepops could not be imported")
    graph = replace(graph, trace=replace(graph.trace, complete=False, opaque=(part,)))
    (problem,) = unseen_parts(graph)
    assert problem.message.endswith("was only partly traced: deepops could not be imported")
