from __future__ import annotations

from torch import nn

from bnlint.tracing.trace import trace_model


def test_a_layer_called_output_is_not_the_models_output():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.output = nn.Conv2d(8, 4, 1)

        def forward(self, x):
            return self.output(self.conv(x).relu())

    graph = trace_model(Net())
    ids = [op.id for op in graph.ops]
    assert len(set(ids)) == len(ids)
    kinds = {op.id: op.kind for op in graph.ops}
    assert [(kinds[e.source], kinds[e.target]) for e in graph.edges] == [
        ("input", "conv2d"),
        ("conv2d", "relu"),
        ("relu", "conv2d"),
        ("conv2d", "output"),
    ]
