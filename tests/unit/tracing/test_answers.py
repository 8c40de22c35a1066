"""Forwards that depend on numbers, which tensors on meta do not have."""

from __future__ import annotations

import torch
from torch import nn

from bnlint.models.guessing.guess import given
from bnlint.tracing.model import trace_model
from bnlint.tracing.tracers import answers


class Batch:
    """Tensors in an object that torch knows nothing of."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x


class Plain(nn.Module):
    """A kernel that the table of layers does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight if x[x > 0].numel() else x @ self.weight.t()


class Net(nn.Module):
    """Decides by numbers, and has parts that it does not call."""

    def __init__(self, spare: nn.Module, scales: nn.Module) -> None:
        super().__init__()
        self.one, self.norm, self.two = Plain(), nn.BatchNorm1d(8), Plain()
        self.spare, self.scales = spare, scales
        self.window = torch.ones(8)

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.two(self.norm(self.one(batch.x * self.window)).relu())


def trace(spare: nn.Module, scales: nn.Module | None = None):
    with torch.device("meta"):
        net = Net(spare, scales or nn.Identity())
        inputs = given(Batch(torch.empty(4, 8)))
    return trace_model(net, inputs=inputs)


def test_objects_and_plain_tensors_get_numbers():
    graph = trace(nn.ReLU(), nn.ParameterList([torch.ones(1)]))
    assert graph.trace.complete
    assert graph.trace.tracer == "recorded"


def test_a_layer_with_weights_that_was_not_called_may_be_another_route():
    graph = trace(nn.Linear(8, 8))
    assert not graph.trace.complete


def test_the_run_with_numbers_is_kept_where_it_sees_no_more_known_layers():
    graph = trace(nn.Linear(8, 8))
    (norm,) = [op.id for op in graph.ops if "norm" in op.tags]
    beside = {e.source for e in graph.edges if e.target == norm}
    beside |= {e.target for e in graph.edges if e.source == norm}
    kinds = {op.kind for op in graph.ops if op.id in beside}
    assert kinds == {"matmul", "relu"}


def test_what_an_attention_holds_need_not_be_called():
    with torch.device("meta"):
        attention = nn.MultiheadAttention(8, 2)

    class Attends(Net):
        def forward(self, batch: Batch) -> torch.Tensor:
            x = super().forward(batch)
            return self.spare(x, x, x)[0]

    with torch.device("meta"):
        net = Attends(attention, nn.Identity())
        inputs = given(Batch(torch.empty(4, 8)))
    assert trace_model(net, inputs=inputs).trace.complete


class Experts(nn.Module):
    """Weights of all experts in one tensor; those that tokens are sent to are run one by one."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(count, 16, 16))

    def forward(self, x: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        result = torch.zeros_like(x)
        mask = nn.functional.one_hot(chosen, len(self.weight)).permute(2, 1, 0)
        for (expert,) in torch.greater(mask.sum((-1, -2)), 0).nonzero():
            _, token = torch.where(mask[expert])
            result.index_add_(0, token, nn.functional.linear(x[token], self.weight[expert]))
        return result


class Mixture(nn.Module):
    """Sends each token to two experts, by a router whose weight is cast."""

    def __init__(self, layers: int, count: int) -> None:
        super().__init__()
        self.routers = nn.ParameterList([torch.ones(count, 16) for _ in range(layers)])
        self.experts = nn.ModuleList([Experts(count) for _ in range(layers)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for router, experts in zip(self.routers, self.experts, strict=True):
            scores = nn.functional.linear(x.float(), router.float())
            x = x + experts(x, scores.softmax(-1).topk(2)[1])
        return x


def mixture(layers: int, count: int):
    with torch.device("meta"):
        return trace_model(Mixture(layers, count), inputs=given(torch.empty(64, 16)))


def test_a_loop_over_the_experts_that_were_chosen_runs():
    graph = mixture(1, 64)
    assert graph.trace.complete
    assert graph.trace.tracer == "recorded"
    written = [op for op in graph.ops if op.facts.get("class") == "index_add_"]
    assert len(written) == 1  # the others run the same code


def test_each_module_may_ask_for_as_many_numbers(monkeypatch):
    monkeypatch.setattr(answers, "_MOST", 6)
    assert mixture(12, 64).trace.complete
    monkeypatch.setattr(answers, "_MOST", 1)
    assert not mixture(1, 64).trace.complete


def test_experts_that_are_modules_are_all_called():
    class Modules(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(16, 4)
            self.experts = nn.ModuleList([nn.Linear(16, 16) for _ in range(4)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            chosen = self.gate(x).topk(2, dim=-1)[1]
            result = torch.zeros_like(x)
            for number, expert in enumerate(self.experts):
                token = torch.where((chosen == number).any(-1))[0]
                if token.numel():
                    result[token] += expert(x[token])
            return result

    with torch.device("meta"):
        graph = trace_model(Modules(), inputs=given(torch.empty(64, 16)))
    assert graph.trace.complete
    assert sum(op.kind == "linear" for op in graph.ops) == 5


class Sampled(nn.Module):
    """Takes points one by one, each the farthest from those before."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.conv = count, nn.Conv1d(3, 8, 1)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        batch = torch.arange(points.shape[0])
        distance = torch.full(points.shape[:2], 1e10)
        chosen = torch.zeros(points.shape[0], self.count, dtype=torch.long)
        farthest = torch.zeros(points.shape[0], dtype=torch.long)
        for step in range(self.count):
            chosen[:, step] = farthest
            to_it = (points - points[batch, farthest][:, None]).square().sum(-1)
            closer = to_it < distance
            distance[closer] = to_it[closer]
            farthest = distance.max(-1)[1]
        return self.conv(points[batch[:, None], chosen].transpose(1, 2))


def test_points_are_sampled_one_by_one():
    graph = trace_model(Sampled(300), inputs=given(torch.empty(2, 400, 3)))
    assert graph.trace.complete


class Attending(nn.Module):
    """Asks whether its query is its key, too."""

    def __init__(self) -> None:
        super().__init__()
        self.both, self.apart = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return self.both(query) if torch.equal(query, key) else self.apart(query)


def test_a_tensor_equals_itself():
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attending()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x, x)

    graph = trace_model(Own(), inputs=given(torch.empty(4, 8)))
    assert graph.trace.complete
    assert [op.module for op in graph.ops if op.kind == "linear"] == ["attention.both"]


class Packing(nn.Module):
    """Packs sequences by lengths that it makes itself, beside layers for another way."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.other = nn.LSTM(8, 4, batch_first=True), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lengths = torch.tensor([x.shape[1]] * x.shape[0])
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0]


def test_only_the_lengths_decide_how_sequences_are_packed():
    graph = trace_model(Packing(), inputs=given(torch.empty(4, 5, 8)))
    assert graph.trace.complete
