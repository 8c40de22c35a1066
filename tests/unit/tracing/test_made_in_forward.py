"""Tensors that a forward makes, moves, writes and asks for numbers do not hide the model."""

from __future__ import annotations

import textwrap

import pytest

from bnlint.tracing.file import trace_source

HEAD = """
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Variable
from torch.utils.checkpoint import checkpoint

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 10)
        self.gru = nn.GRU(16, 16, batch_first=True)
        self.strides = torch.tensor([1, 2, 4])
        self.register_buffer("order", torch.randperm(16))
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]

    def forward(self, x):
        x = self.bn(self.conv(x))
        x = self.gru(x.flatten(2).transpose(1, 2))[0].transpose(1, 2).reshape(x.shape)
"""
END = """
        return self.fc(x.mean((2, 3)))

if __name__ == "__main__":
    Net()(torch.randn(2, 3, 8, 8))
"""
BODIES = {
    "ones of sizes": "b, c, h, w = x.shape; x = x * torch.ones(b, c, h, w)",
    "zeros written in a loop": """
        out = torch.zeros(x.shape)
        for i in range(x.size(1)):
            out[:, i] = x[:, i] * 2
        x = out
        """,
    "a layer of the size of a map": "x = x * nn.AvgPool2d(x.size()[2:])(x)",
    "a device by name": "x = x + torch.zeros(x.size(), device='cuda') + torch.zeros(1).cuda()",
    "the device of another": "x = x * torch.tensor([1.0, 2.0]).to(x.device)[1]",
    "the legacy constructor": "x = x * torch.FloatTensor(x.size(0), 1, 1, 1).uniform_(0, 1)",
    "a variable": "x = x + Variable(torch.zeros(x.size()))",
    "a type by name": "x = x.type(torch.FloatTensor).type('torch.cuda.FloatTensor')",
    "from numpy": "x = x * torch.from_numpy(np.ones((1, 16, 1, 1), dtype=np.float32))",
    "through numpy": "x = x + torch.from_numpy(x.detach().cpu().numpy() * 2)",
    "a number of a small tensor": """
        for _ in range(int(torch.linspace(1, 3, 3).sum().item())):
            x = F.relu(x)
        """,
    "numbers of an attribute": "x = x[:, :, : int(self.strides[1]) * 4] / self.strides[2]",
    "a buffer as an index": "x = x[:, self.order]",
    "rates of the constructor": "assert 0.04 < self.rates[1] < 0.06",
    "a number of the input": "x = x / (1 + abs(x.max().item()))",
    "a branch on values": "x = x.clamp(min=0) if (x < 0).any() else x",
    "a mask as an index": "x = x.clone(); x[x > 0] = 0; x = x + x[x < 1].sum()",
    "one mask, two shapes that agree": """
        keep = x.mean((1, 2, 3)) > 0
        count = keep.sum().item()
        x = x + x[keep].reshape(count, 16, -1).sum() + torch.zeros(count).sum()
        """,
    "a mask written through views": """
        mask = torch.ones(x.size(0), x.size(2), x.size(3), dtype=torch.bool)
        for image, part in zip(x, mask):
            part[: image.shape[1], : image.shape[2]] = False
        assert not mask.any()
        """,
    "an empty tensor of whole numbers": """
        sizes = torch.empty((1, 2), dtype=torch.long)
        sizes[0, 0], sizes[0, 1] = x.size(2), x.size(3)
        x = x.reshape(*x.shape[:2], *sizes[0].tolist())
        """,
    "lengths": """
        lengths = (x.mean((2, 3)) > -9).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(
            x.flatten(2).transpose(1, 2), lengths.cpu(), True, enforce_sorted=False)
        x = x + nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], True)[0].mean()
        """,
    "autocast of the device": """
        with torch.autocast(device_type=x.device.type, enabled=False):
            x = F.relu(x)
        """,
    "a checkpoint": "x = checkpoint(self.bn, x, use_reentrant=False)",
    "a spectrum": """
        wave = torch.stft(x.flatten(1)[:, :512], 64, window=torch.hann_window(64),
                          return_complex=True)
        x = x + wave.abs().mean()
        """,
    "text": "assert f'{x.mean():.2f}'",
    "a layer made on the fly": "x = x + nn.Conv2d(16, 16, 1).to(x.device)(x)",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_model_is_traced_whole(body: str):
    code = HEAD + textwrap.indent(textwrap.dedent(body), " " * 8) + "\n" + END
    (graph,) = trace_source(code)
    assert graph.trace.complete, graph.trace
    assert [op.error for op in graph.ops if op.error] == []


def test_a_loop_that_waits_for_a_number_ends():
    body = "        while x.sum() != 3:\n            x = x.relu()\n"
    (graph,) = trace_source(HEAD + body + END)
    assert not graph.trace.complete


def test_a_mask_of_fixed_size_that_is_moved_keeps_its_numbers():
    """A transformer asks whether its mask is the causal one, which meta tensors cannot tell."""
    code = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(1, 16)
        layer = nn.TransformerDecoderLayer(16, 2, 32, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, 1)

    def forward(self, x, y):
        mask = (torch.ones(16, 16) * float("-inf")).triu(1).to(x.device)
        return self.decoder(self.first(y), self.first(x), mask)
"""
    (graph,) = trace_source(code)
    assert [op.outputs for op in graph.ops if op.layer == "decoder"] == [((2, 16, 16),)]
