"""Objects that a constructor takes for what they do: loggers, checkpoints, vocabularies."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.domain.graph import ModelGraph
from tests.unit.models.test_discovery import records, records_of

LOGGED = """
class Net(nn.Module):
    def __init__(self, width, logger):
        super().__init__()
        logger.info("building")
        self.net = nn.Linear(width, 10)
        logger.info("built %d", width)

    def forward(self, x):
        return self.net(x)
"""
SPOKEN = """
class Net(nn.Module):
    def __init__(self, width, log):
        super().__init__()
        self.net = nn.Linear(width, 10)
        log(f"width {width}")

    def forward(self, x):
        return self.net(x)
"""
STORED = """
import os

class Net(nn.Module):
    def __init__(self, args, ckp):
        super().__init__()
        self.net = nn.Linear(args.dim, 10)
        folder = ckp.get_path("model")
        if args.resume and not args.test_only:
            self.load_state_dict(torch.load(os.path.join(folder, "model.pt")))
        print(self.net, file=ckp.log_file)

    def forward(self, x):
        return self.net(x)
"""
FROZEN = """
class Net(nn.Module):
    def __init__(self, encoder, width):
        super().__init__()
        encoder.freeze()
        self.encoder = encoder
        self.net = nn.Linear(encoder.get_output_dim(), 10)

    def forward(self, x):
        return self.net(self.encoder(x))
"""


@pytest.mark.parametrize("code", [LOGGED, SPOKEN, STORED, FROZEN])
def test_helpers_are_no_layers(code: str) -> None:
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    assert [op.kind for op in graph.ops if op.kind != "identity"] == ["input", "linear", "output"]
    assert graph.trace.complete


def test_a_method_that_tells_a_size_returns_one() -> None:
    code = """
    class Net(nn.Module):
        def __init__(self, width, vocab):
            super().__init__()
            self.at = vocab.get_index("<pad>")
            self.emb = nn.Embedding(vocab.get_vocab_size(), width, padding_idx=self.at)
            self.net = nn.Linear(width, 10)

        def forward(self, tokens):
            return self.net(self.emb(tokens))
    """
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    assert [op.kind for op in graph.ops] == ["input", "embedding", "linear", "output"]
    assert graph.trace.complete
    assert {"vocab.get_vocab_size", "vocab.get_index"} <= set(graph.ref.guessed)


NAMED = """
from importlib import import_module
from torch import nn

class Model(nn.Module):
    def __init__(self, args):
        super().__init__()
        module = import_module("parts_of_it." + args.model.lower())
        self.model = module.make(args)

    def forward(self, x):
        return self.model(x)
"""
MAIN = """
import argparse
from net import Model

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="EDSR")
parser.add_argument("--width", type=int, default=24)
args = parser.parse_args()
model = Model(args)
"""


def test_a_module_that_is_not_there_is_another_one_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "parts_of_it"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "common.py").write_text("LARGEST = 3\n")
    (package / "wide.py").write_text(
        "from torch import nn\ndef make(args):\n    return nn.Linear(args.width, 4)\n"
    )
    file = tmp_path / "net.py"
    file.write_text(NAMED)
    (tmp_path / "main.py").write_text(MAIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    (graph,) = (r for r in records_of(file) if isinstance(r, ModelGraph))
    assert graph.ref.guessed == ("args.model",)
    assert [op.outputs for op in graph.ops if op.kind == "linear"] == [((2, 4),)]
