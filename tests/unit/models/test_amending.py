"""Guessed arguments are changed to what the error of a constructor asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import ModelGraph
from bnlint.models.guessing.arguments.revising import revised
from bnlint.models.guessing.guess import Guess
from tests.unit.models.test_discovery import records_of

PLAIN = "ACTS = {'gelu': nn.GELU, 'silu': nn.SiLU}"
OWN = """
class Acts(dict):
    def __getitem__(self, key):
        cls, kwargs = super().__getitem__(key), {}
        return cls

ACTS = Acts(gelu=nn.GELU, silu=nn.SiLU)
"""
CODE = """
from torch import nn

%s

class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.hidden_size)
        self.act = ACTS[config.hidden_act]()

    def forward(self, x):
        return self.act(self.up(x))
"""


@pytest.mark.parametrize("table", [PLAIN, OWN])
def test_a_key_is_one_that_the_dict_has(tmp_path: Path, table: str) -> None:
    file = tmp_path / "net.py"
    file.write_text(CODE % table)
    graph = records_of(file)[0]
    assert isinstance(graph, ModelGraph)
    assert [op.kind for op in graph.ops] == ["input", "linear", "gelu", "output"]


CHAINED = """
from torch import nn

class Eyes(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.conv = nn.Conv2d(shape[0], 8, 3)
        self.fc = nn.Linear(self.outputs(), 4)

    def outputs(self):
        _, h, w = self.shape
        return 8 * (h - 2) * (w - 2)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))

class Agent(nn.Module):
    def __init__(self, eyes, size):
        super().__init__()
        self.eyes = eyes(size)

    def forward(self, x):
        return self.eyes(x)

def main(env):
    return Agent(Eyes, env.size)
"""
MEASURED = """
from torch import nn

class Coupling(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        if len(sizes) == 1:
            self.net = nn.Linear(sizes[0], 4)
        elif len(sizes) == 3:
            self.net = nn.Conv2d(sizes[0], 4, sizes[1] - sizes[2] + 1)
        else:
            raise Exception(f"unsupported: {sizes}")

    def forward(self, x):
        return self.net(x)
"""
LAYERS = """
from torch import nn

class Decoder(nn.Module):
    def __init__(self, sizes, activation, last_activation):
        super().__init__()
        layers = [nn.Linear(sizes[0], sizes[1])]
        layers.append(activation)
        layers.append(nn.Linear(sizes[1], sizes[2]))
        layers.append(last_activation)
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)
"""
UNSET = """
from torch import nn

class Flow(nn.Module):
    def __init__(self, kind=None, cfg=None):
        super().__init__()
        self.net = nn.Sequential(*[nn.Linear(cfg.width, cfg.width) for _ in range(cfg.layers)])

    def forward(self, x):
        return self.net(x)
"""
FROM_TORCH = """
from torch import nn

class BigDecoderLayer(nn.TransformerDecoderLayer):
    pass

class BigDecoder(nn.TransformerDecoder):
    def __init__(self, decoder_layer, num_layers):
        super().__init__(decoder_layer, num_layers)
"""
SENTINEL = """
from torch import nn

class Timed(nn.Module):
    def __init__(self, width=8, kernels=-1):
        super().__init__()
        self.net = nn.Conv1d(width, 8, kernels[1])

    def forward(self, x):
        return self.net(x)
"""
ASSERTED = """
from torch import nn

class Placed(nn.Module):
    def __init__(self, width=8, grid_size=None):
        super().__init__()
        assert grid_size is not None, "a concrete number of positions"
        self.net = nn.Linear(width, grid_size)

    def forward(self, x):
        return self.net(x)
"""
FLAGGED = """
from torch import nn

class Trained(nn.Module):
    def __init__(self, for_inference=False, make_optimizer=None):
        super().__init__()
        self.net = nn.Linear(8, 8)
        if not for_inference:
            self.optimizer = make_optimizer(self.parameters())

    def forward(self, x):
        return self.net(x)
"""
GRAPH = """
import numpy as np
import torch
from torch import nn

class Joints(nn.Module):
    def __init__(self, width, A):
        super().__init__()
        self.net = nn.Conv2d(width, width * A.shape[0], 1)
        self.register_buffer("A", torch.from_numpy(A.astype(np.float32)))

    def forward(self, x):
        n, _, t, v = x.shape
        return torch.einsum("nkctv,kvw->nctw", self.net(x).view(n, len(self.A), -1, t, v), self.A)
"""
CHECKED = """
from torch import nn

class Settings:
    def __init__(self, vocab_size):
        self.vocab_size, self.width = vocab_size, 8

class Words(nn.Module):
    def __init__(self, config):
        super().__init__()
        if not isinstance(config, Settings):
            raise ValueError("not of the class")
        self.net = nn.Embedding(config.vocab_size, config.width)

    def forward(self, x):
        return self.net(x)
"""
STAGES = """
from torch import nn

class Staged(nn.Module):
    def __init__(self, stages):
        super().__init__()
        self.first, self.second = stages[0], stages[1]

    def forward(self, x):
        return self.second(self.first(x))
"""
UNKNOWN = """
from torch import nn

class Headed(nn.Module):
    def __init__(self, width, heads=2):
        super().__init__()
        assert width % heads == 0
        self.net = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        return self.net(x, x, x)

def main(args=None):
    heads = None
    return Headed(width=64, heads=heads)
"""
TABLES = """
import copy
from torch import nn

class Tagger(nn.Module):
    def __init__(self, words, tags, sizes: tuple[int, ...], config, encoder):
        super().__init__()
        self.config = copy.deepcopy(config)
        if self.config.mode not in ("plain", "deep"):
            raise ValueError(self.config.mode)
        self.embed = nn.Embedding(len(words), sizes[-1], padding_idx=words.index("<PAD>"))
        self.net = nn.Linear(sizes[-1], 5)
        self.net.bias.data[tags["<START>"]] = -9.0
        self.encoder = encoder

    def forward(self, x):
        return self.net(self.encoder(tokens=self.embed(x), lengths=None))
"""


@pytest.mark.parametrize(
    ("code", "name", "guessed"),
    [
        (TABLES, "Tagger", ("words", "tags.<START>", "sizes", "config.mode", "encoder")),
        (CHECKED, "Words", ("config",)),
        (STAGES, "Staged", ("stages",)),
        (UNKNOWN, "Headed", ("heads",)),
        (SENTINEL, "Timed", ("kernels",)),
        (ASSERTED, "Placed", ("grid_size",)),
        (FLAGGED, "Trained", ("for_inference",)),
        (GRAPH, "Joints", ("width", "A")),
        (CHAINED, "Agent", ("size",)),
        (MEASURED, "Coupling", ("sizes",)),
        (LAYERS, "Decoder", ("sizes", "activation", "last_activation")),
        (UNSET, "Flow", ("cfg.width", "cfg.layers")),
        (FROM_TORCH, "BigDecoder", ("decoder_layer", "num_layers")),
    ],
    ids=[
        "tables",
        "class",
        "modules",
        "none",
        "sentinel",
        "asserted",
        "flagged",
        "array",
        "unpacked",
        "measured",
        "layers",
        "unset",
        "of torch",
    ],
)
def test_what_an_error_says_of_a_guess_changes_it(
    tmp_path: Path, code: str, name: str, guessed: tuple[str, ...]
) -> None:
    path = tmp_path / "net.py"
    path.write_text(code)
    graphs = {r.ref.name: r for r in records_of(path) if isinstance(r, ModelGraph)}
    assert name in graphs, list(records_of(path))
    assert set(graphs[name].ref.guessed) == set(guessed)
    assert graphs[name].trace.complete
    assert graphs[name].trace.unfit is None


DIVIDED = """
from torch import nn

class Scaled(nn.Module):
    def __init__(self, channels, t_scale):
        super().__init__()
        assert channels % (2 * t_scale) == 0
        self.net = nn.Conv1d(channels, channels // t_scale, 1)

    def forward(self, x):
        return self.net(x)
"""


def test_what_a_division_leaves_is_no_size(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(DIVIDED)
    (graph,) = (r for r in records_of(path) if isinstance(r, ModelGraph))
    assert "channels=0" not in graph.ref.arguments
    assert graph.trace.complete


REFUSING = """
from torch import nn

class Kernel(nn.Module):
    def __init__(self, w, rates):
        super().__init__()
        if w.shape[-1] != 5 * rates.shape[-1]:
            raise ValueError("w must have a list of 5 rates")
        self.w = nn.Parameter(w.detach())

    def forward(self, x):
        return x * self.w
"""


def test_a_tensor_that_a_check_refuses_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(REFUSING)
    (problem,) = records_of(path)
    assert isinstance(problem, Problem)
    assert problem.kind is ProblemKind.NOT_BUILT
    assert "w must have a list of 5 rates" in problem.message


CLASS_OF_SETTINGS = """
from torch import nn

class Config:
    depth = 0
    width = 64

    def __init__(self, path):
        self.path = path

class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        if config.depth < 1:
            raise ValueError("depth must be at least 1")
        rows = [nn.Linear(config.width, config.width) for _ in range(config.depth)]
        self.net = nn.Sequential(*rows)
        self.depth = Config.depth

    def forward(self, x):
        return self.net(x)
"""


def test_settings_of_a_class_are_changed_for_one_try_only(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(CLASS_OF_SETTINGS)
    module: dict[str, Any] = {}
    exec(CLASS_OF_SETTINGS, module)
    config = module["Config"]
    before = Guess(kwargs={"config": config}, guessed=("config",))
    after = revised(before, ("config", "depth"), 2)
    assert (after.kwargs["config"].depth, after.kwargs["config"].width, config.depth) == (2, 64, 0)
    graphs = [r for r in records_of(path) if isinstance(r, ModelGraph)]
    assert [g.ref.name for g in graphs] == ["Net"]


ADJACENT = """
import torch
from torch import nn

class Joints(nn.Module):
    def __init__(self, channels: int, A: torch.Tensor):
        super().__init__()
        kinds, joints, _ = A.shape
        self.kinds = kinds
        self.register_buffer("A", A)
        self.conv = nn.Conv2d(channels, 8 * kinds, 1)

    def forward(self, x):
        n, c, t, v = x.shape
        x = self.conv(x).view(n, self.kinds, 8, t, v)
        return torch.einsum("nkctv,kvw->nctw", x, self.A)
"""


def test_a_tensor_has_as_many_axes_as_its_shape_is_unpacked_into(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(ADJACENT)
    (graph,) = records_of(file)
    assert isinstance(graph, ModelGraph)
    assert [op.error for op in graph.ops if op.error] == []
    assert graph.ops[-1].kind == "output"


WORDS = """
from torch import nn

class Net(nn.Module):
    def __init__(self, kind):
        super().__init__()
        if kind == "first":
            from nowhere_at_all import Body
        elif kind == "second":
            Body = nn.Linear
        self.body = Body(4, 4)

    def forward(self, x):
        return self.body(x)

def main():
    return Net("third")
"""


def test_other_words_are_tried_where_one_leads_to_an_error(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(WORDS)
    graph = records_of(file)[0]
    assert isinstance(graph, ModelGraph)
    assert graph.ref.arguments == "Net(kind='second')"
    assert graph.ref.guessed == ("kind",)
