"""Each way to get a graph, and what becomes of the parts that none of them can see into."""

from __future__ import annotations

import gc
import weakref
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from bnlint.domain.graph import ModelGraph
from bnlint.layers.calls import name_of
from bnlint.layers.table import builtin_table
from bnlint.models.guessing.guess import Guess, Guesses
from bnlint.models.guessing.guess import given as stated
from bnlint.tracing.model import trace_model
from bnlint.tracing.shapes import run_on_meta
from bnlint.tracing.tracers import Record
from bnlint.tracing.tracers.concrete import trace_concretely
from bnlint.tracing.tracers.recorded import record_forward
from bnlint.tracing.tracers.symbolic import trace_symbolically


def given(*shapes: tuple[int, ...], **named: tuple[int, ...]) -> Guesses:
    args = tuple(torch.empty(s, device="meta") for s in shapes)
    kwargs = {k: torch.empty(s, device="meta") for k, s in named.items()}
    return stated(*args, **kwargs)


def kinds(graph: ModelGraph) -> list[str]:
    return [op.kind for op in graph.ops if op.kind not in ("input", "output", "opaque")]


class ByShape(nn.Module):
    """Control flow that hangs on sizes, iteration and len."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] > 4 and len(x) == 2:
            x = self.norm(self.conv(x))
        return torch.stack([F.relu(part) for part in x])


class ByValue(nn.Module):
    """Control flow that hangs on numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.conv(x))
        return y if y.sum() > 0 else -y


def test_plain_fx_refuses_and_the_others_do_not() -> None:
    model, table = ByShape().to("meta"), builtin_table()
    candidate = given((2, 3, 8, 8)).candidates[0]
    refused = trace_symbolically(model, table, Guess())
    assert refused.refused
    assert not refused.calls
    for trace in (trace_concretely, record_forward):
        record = trace(model, table, candidate)
        assert record.complete
        targets = [type(c.target).__name__ for c in record.calls if isinstance(c.target, nn.Module)]
        assert targets == ["Conv2d", "BatchNorm2d"]


def test_the_ladder_takes_the_step_that_sees_the_whole() -> None:
    graph = trace_model(ByShape(), inputs=given((2, 3, 8, 8)))
    assert (graph.trace.tracer, graph.trace.complete) == ("recorded", True)
    assert graph.trace.refusals[0].tracer == "symbolic"
    assert kinds(graph)[:2] == ["conv2d", "batchnorm2d"]


def test_without_inputs_the_layers_of_what_refuses_are_still_there() -> None:
    graph = trace_model(ByShape())
    assert not graph.trace.complete
    assert kinds(graph) == ["conv2d", "batchnorm2d"]
    assert "len" in graph.trace.opaque[0].reason or "control flow" in graph.trace.opaque[0].reason


def test_numbers_are_made_up_where_the_route_hangs_on_them() -> None:
    graph = trace_model(ByValue(), inputs=given((2, 3, 8, 8)))
    assert graph.trace.complete
    assert kinds(graph)[:2] == ["conv2d", "batchnorm2d"]


def test_a_part_that_refuses_stands_as_one_opaque_operation() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), ByValue(), nn.ReLU())
    graph = trace_model(model)
    opaque = [op for op in graph.ops if op.kind == "opaque" and op.layer == "1"]
    assert len(opaque) == 1
    assert graph.trace.opaque[0].path == "1"
    # what is in it is seen by a run with guessed inputs, which shows no shapes
    own = ["conv2d", "batchnorm2d", "reduce", "step", "arithmetic"]
    assert kinds(graph) == ["conv2d", "relu", *own]
    assert graph.trace.guessed == ("1",)
    assert not any(op.outputs for op in graph.ops[-len(own) :])


def test_the_model_is_left_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), ByValue()).eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    flags = [m.training for m in model.modules()]
    seed = torch.random.get_rng_state()
    trace_model(model, inputs=given((2, 3, 8, 8)))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert [m.training for m in model.modules()] == flags
    assert torch.equal(torch.random.get_rng_state(), seed)


def test_a_layer_by_itself_is_one_operation() -> None:
    graph = trace_model(nn.Linear(3, 4), inputs=given((2, 3)))
    assert kinds(graph) == ["linear"]
    assert graph.modules[0].calls == 1


class Both(NamedTuple):
    """A result with two parts."""

    one: torch.Tensor
    two: torch.Tensor


class Several(nn.Module):
    """Dict and keyword inputs, a named tuple as output."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 8), nn.Linear(4, 8)

    def forward(self, batch: dict[str, torch.Tensor], *, extra: torch.Tensor) -> Both:
        return Both(self.one(batch["x"]), self.two(extra))


def test_structured_inputs_and_outputs() -> None:
    args = ({"x": torch.empty(2, 4, device="meta")},)
    inputs = stated(*args, extra=torch.empty(2, 4, device="meta"))
    graph = trace_model(Several(), inputs=inputs)
    assert graph.trace.complete
    output = next(op for op in graph.ops if op.kind == "output")
    sources = {e.source for e in graph.edges if e.target == output.id}
    assert {op.layer for op in graph.ops if op.id in sources} == {"one", "two"}


class Dropping(nn.Module):
    """Leaves out layers by chance, as long encoders do while they train."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(12))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            if torch.rand([]) < 0.5:
                x = layer(x)
        return x


def test_chance_does_not_change_a_trace() -> None:
    graphs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        graphs.append(trace_model(Dropping()))
        assert torch.initial_seed() == seed
    first, second = ([op.layer for op in graph.ops] for graph in graphs)
    assert first == second


class Swish(torch.autograd.Function):
    """A custom gradient, applied through a bound method."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x)


class Custom(nn.Module):
    """Keeps the bound ``apply`` of an autograd function, as memory-saving layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.swish = nn.Conv2d(3, 8, 3), Swish.apply
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.swish(self.conv(x)))


@pytest.mark.parametrize("trace", ["symbolic", "recorded"])
def test_autograd_functions_are_operations(trace: str) -> None:
    table, model = builtin_table(), Custom().to("meta")
    if trace == "symbolic":
        record = trace_symbolically(model, table, Guess())
    else:
        candidate = given((2, 3, 8, 8)).candidates[0]
        record = record_forward(model, table, candidate)
    assert isinstance(record, Record)
    names = [
        c.target if isinstance(c.target, str) else type(c.target).__name__ for c in record.calls
    ]
    assert len(names) == 4
    assert names[0] == "input"


class Reversible(torch.autograd.Function):
    """A forward that calls the modules it is given, and frees what its backward works out again."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, inner: nn.Module, *parameters: Any) -> torch.Tensor:
        with torch.no_grad():
            one, two = torch.chunk(x, 2, dim=1)
            one, two = one.contiguous(), two.contiguous()
            y = torch.cat((one + inner(two), two), dim=1)
            one.set_()
            two.set_()
        ctx.save_for_backward(x, y)
        return y


class ReversibleBlock(nn.Module):
    """A block that gives its module to an autograd function."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Reversible.apply(x, self.inner, *self.inner.parameters())


@pytest.mark.parametrize("trace", ["symbolic", "recorded"])
def test_modules_given_to_an_autograd_function_are_seen(trace: str) -> None:
    table, model = builtin_table(), ReversibleBlock().to("meta")
    candidate = given((2, 8, 6, 6)).candidates[0]
    if trace == "symbolic":
        record = trace_symbolically(model, table, Guess())
        assert isinstance(record, Record)
        assert run_on_meta(record, table, candidate) == len(record.calls)
    else:
        record = record_forward(model, table, candidate)
    assert {id(m) for m in model.inner} <= {id(c.target) for c in record.calls}
    assert all(c.grad for c in record.calls)
    shapes = [tuple(c.value.shape) for c in record.calls if isinstance(c.value, torch.Tensor)]
    assert set(shapes) == {(2, 8, 6, 6), (2, 4, 6, 6)}
    assert "set_" not in vars(torch.Tensor)
    with torch.no_grad():
        assert not torch.is_grad_enabled()


GATES = {
    "x * sigmoid(x)": lambda x: x * torch.sigmoid(x),
    "hard swish": lambda x: x * F.relu6(x + 3) / 6,
    "mish": lambda x: x * torch.tanh(F.softplus(x)),
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
}


@pytest.mark.parametrize("name", GATES)
def test_written_out_activations_are_one_operation(name: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return GATES[name](self.norm(self.conv(x)))

    graph = trace_model(Net())
    after = kinds(graph)[2:]
    assert "self-gated" in after
    assert not {"sigmoid", "tanh", "relu6", "product"} & set(after)


def test_a_gate_over_something_else_stays_a_product() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gate = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))

    graph = trace_model(Net())
    assert kinds(graph) == ["conv2d", "globalpool", "conv2d", "sigmoid", "product"]


def test_an_inplace_statement_is_read_by_what_follows() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            x.relu_()
            return self.norm(x)

    graph = trace_model(Net())
    by_id = {op.id: op.kind for op in graph.ops}
    edges = {(by_id[e.source], by_id[e.target]) for e in graph.edges}
    assert ("relu", "batchnorm2d") in edges
    assert ("conv2d", "batchnorm2d") not in edges


def test_norms_of_weights_carry_no_data() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 3, 3, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            flat = self.weight.reshape(1, 8, -1)
            weight = F.batch_norm(flat, None, None, training=True).reshape_as(self.weight)
            return F.conv2d(x, weight)

    assert kinds(trace_model(Net())) == ["conv2d"]


class Unpacking(nn.Module):
    def forward(self, x):
        first, second, third = x
        batch, _ = first.shape
        return (first + second + third).view(batch, -1)


class Iterating(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return sum(self.fc(row) for row in x)


def test_as_many_items_are_unpacked_as_there_are_names() -> None:
    record = trace_symbolically(Unpacking(), builtin_table(), Guess())
    assert record.complete
    picked = [c.args[1] for c in record.calls if name_of(c.target) == "getitem"]
    assert picked == [0, 1, 2, 0, 1]


def test_a_trace_that_ends_at_an_iteration_keeps_no_model_alive() -> None:
    def traced() -> weakref.ref[Any]:
        real = Iterating()
        graph = trace_model(real, inputs=given((2, 4)))
        assert "iterated" in graph.trace.refusals[0].reason
        return weakref.ref(real)

    gc.disable()
    try:
        assert traced()() is None
    finally:
        gc.enable()


def test_layers_within_a_checkpoint_run_again() -> None:
    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4)))
            self.outer = nn.Linear(4, 4)

        def forward(self, x):
            return self.outer(checkpoint(self.inner, x, use_reentrant=False))

    call = given((2, 4)).candidates[0]
    for trace in (trace_symbolically, record_forward):
        record = trace(Kept().to("meta"), builtin_table(), call)
        layers = {c.path: c.recomputed for c in record.calls if c.path}
        assert layers == {"inner.0": True, "inner.1.0": True, "outer": False}
