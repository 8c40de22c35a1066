from __future__ import annotations

from bnlint.domain.graph import Edge, ModelGraph, ModelRef, Op, Opaque, Trace
from bnlint.report.chain import chain


def _op(id_: str, kind: str, layer: str = "", **rest: object) -> Op:
    return Op(id_, kind, frozenset({kind}), layer, layer, (), **rest)  # type: ignore[arg-type]


def test_a_model_is_shown_as_its_classified_operations() -> None:
    ops = (
        _op("0", "input", outputs=((1, 3, 8, 8),)),
        _op("1", "conv2d", "conv", outputs=((1, 4, 8, 8),)),
        _op("2", "relu", "act", outputs=(None,)),
        _op("3", "add", "add()", error="shapes differ\nand more"),
        _op("4", "output", outputs=((),)),
    )
    edges = (Edge("0", "1"), Edge("1", "2"), Edge("2", "3"), Edge("1", "3", 1), Edge("3", "4"))
    trace = Trace("symbolic", False, (Opaque("gate", "bool(Proxy)"),))
    text = chain(ModelGraph(ModelRef("net.py", "Net", "class"), ops, edges, trace))
    assert text == (
        "net.py: Net, traced all but 1 part by symbolic\n"
        "  input          1x3x8x8\n"
        "  conv2d  conv   1x4x8x8\n"
        "  relu    act    ?\n"
        "  add     add()  error: shapes differ  <- act, conv\n"
        "  output         scalar\n"
        "  not seen: gate: bool(Proxy)\n"
    )
