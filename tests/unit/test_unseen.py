"""What is said of parts that no tracer saw: one note for each cause."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

import bnlint
from bnlint.domain.finding import ProblemKind
from bnlint.domain.graph import Location, Opaque, Trace, Unfit
from bnlint.engine.catalogue import built_in_files, load_rules
from bnlint.engine.check import check_graph
from bnlint.pipeline.notes import unfit_guesses, unknown_operations, unseen_parts
from bnlint.report import RenderOptions
from bnlint.report.lines import summary
from bnlint.tracing.file import trace_source
from tests.unit.graphs import Builder

LOOPS = "TraceError: Proxy object cannot be iterated"
PLAIN = "it loops over a tensor or unpacks one"


def messages(*parts: Opaque) -> list[str]:
    graph = replace(Builder().build(), trace=Trace("symbolic", complete=False, opaque=parts))
    return [problem.message for problem in unseen_parts(graph)]


def test_a_part_and_the_whole() -> None:
    assert messages(Opaque("head", LOOPS, None)) == [f"`head` was only partly traced: {PLAIN}"]
    assert messages(Opaque("", LOOPS, None)) == [f"Net could not be traced: {PLAIN}"]


def test_parts_with_one_cause_are_told_together() -> None:
    at = Location("net.py", 3)
    same = [Opaque(f"blocks.{i}", LOOPS, at) for i in range(9)]
    other = Opaque("head", "RuntimeError: no", at)
    assert messages(*same[:3], other) == [
        f"`blocks.0`, `blocks.1` and `blocks.2` were only partly traced: {PLAIN}",
        "`head` was only partly traced: RuntimeError: no",
    ]
    assert messages(*same) == [
        f"`blocks.0`, `blocks.1` and 7 more parts were only partly traced: {PLAIN}"
    ]


def test_no_word_is_said_of_what_a_tracer_puts_in_place_of_tensors() -> None:
    for reason in (
        "TypeError: slice indices must be integers or None or have an __index__ method",
        "TypeError: `__cuda_array_interface__` must be a dict",
        "KeyError: Proxy(getattr_1)",
    ):
        (said,) = messages(Opaque("head", reason, None))
        assert said.startswith("`head` was only partly traced: it ")


def test_a_part_with_two_reasons_that_read_alike_is_named_once() -> None:
    parts = [Opaque("head", f"TypeError: (Proxy, {n})", None) for n in (1, 2)]
    (said,) = messages(*parts)
    assert said.startswith("`head` was only partly traced")


def test_what_is_said_of_a_part_is_not_said_of_the_inputs() -> None:
    why = "AttributeError: module 'numpy' has no attribute 'int'"
    for reason, count in ((why, 0), ("RuntimeError: 4 is not 5", 1)):
        trace = Trace("recorded", False, (Opaque("head", why, None),), unfit=Unfit("head", reason))
        graph = replace(Builder().build(), trace=trace)
        assert len(list(unfit_guesses(graph, []))) == count


def test_arguments_that_do_not_fit_are_told_in_the_file_of_the_model() -> None:
    graph = Builder().build()
    for path, line in (("other.py", 5), (graph.ref.file, 9)):
        ref = replace(graph.ref, guessed=("width",), definition=Location(graph.ref.file, 5))
        unfit = Unfit("head", "RuntimeError: no", Location(path, 9))
        trace = Trace("recorded", True, unfit=unfit)
        (found,) = unfit_guesses(replace(graph, ref=ref, trace=trace), [])
        assert (found.file, found.line) == (graph.ref.file, line)


def test_the_same_reason_at_another_line_is_another_cause() -> None:
    parts = [Opaque(f"blocks.{i}", LOOPS, Location("net.py", i + 1)) for i in range(2)]
    assert len(messages(*parts)) == 2


def unknown(known: int, other: int) -> list[str]:
    builder = Builder()
    builder.chain("input", *["relu"] * known)
    for number in range(other):
        builder.add("other", module="", **{"class": "blend" if number % 3 else "warp"})
    return [p.message for p in unknown_operations(builder.chain("output").build())]


def test_a_model_of_unknown_operations_is_not_checked() -> None:
    assert unknown(known=1, other=3) == [
        "3 of 4 operations are unknown, most often blend (2), warp (1)"
    ]


def test_a_few_unknown_operations_are_nothing_to_say() -> None:
    assert unknown(known=3, other=3) == []
    assert unknown(known=0, other=0) == []


def test_the_summary_of_such_a_model_is_not_clean() -> None:
    class Strange(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cumsum(torch.special.bessel_j0(x), 1)

    report = bnlint.check_model(Strange(), (torch.zeros(2, 3),))
    assert [p.kind for p in report.problems] == [ProblemKind.UNTRACEABLE]
    assert not any(p.blocking for p in report.problems)
    assert "1 not checked" in summary(report, RenderOptions())


class Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(8, 8)
        self.qkv = nn.Linear(8, 24)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.stem(x).softmax(-1)).chunk(3, -1)
        x = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.head(x.mean(1)).softmax(-1)


def test_rules_are_not_blind_on_what_they_are_not_about() -> None:
    report = bnlint.check_model(Attentive(), torch.randn(2, 6, 8), extend_select=["ALL"])
    assert {u.rule for u in report.undecided} == set()


def test_attention_by_einsum_is_judged_whatever_the_rank_of_a_guessed_input() -> None:
    code = """
from torch import einsum, nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.v = nn.Linear(8, 8), nn.Linear(8, 8)
    def forward(self, x):
        q, v = self.q(x), self.v(x)
        weights = (einsum("bld,bsd->bls", q, v) * 0.3).softmax(dim=-1)
        return einsum("bls,bsd->bld", weights, v)
"""
    (graph,) = trace_source(code)
    assert graph.ref.inputs.source == "inferred"
    found = check_graph(graph, load_rules(built_in_files()))
    assert not [u for u in found.undecided if u.rule == "BN214"]
