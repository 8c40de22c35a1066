"""Arguments concluded from what a constructor does, from settings and from other files."""

from __future__ import annotations

import ast
import json
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import nn

from bnlint.domain.finding import Problem
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import TraceRequest
from bnlint.layers.table import builtin_table
from bnlint.loading.parsing import Source, read
from bnlint.models.evidence.plain_values import evaluate
from bnlint.models.guessing.arguments.knowledge import Part
from bnlint.models.workshop import Workshop
from bnlint.tracing.discovery import Models
from tests.unit.models.test_discovery import records, records_of

CLASS = """
class Net(nn.Module):
    def __init__(self, {0}):
        super().__init__()
{1}

    def forward(self, x):
        return self.body(x)
"""


def code(arguments: str, body: str) -> str:
    return CLASS.format(arguments, textwrap.indent(textwrap.dedent(body).strip(), " " * 8))


BODIES = {
    "length and last item": (
        "ch",
        """
        self.body = nn.Sequential(*[nn.Linear(ch[i - 1], ch[i]) for i in range(1, len(ch))])
        self.last = ch[-1]
        """,
    ),
    "pairs": (
        "dims, ks",
        "self.body = nn.Sequential(*[nn.Conv1d(d, d, k) for d, k in zip(dims, ks)])",
    ),
    "rows with names": (
        "plan",
        """
        layers, width = [], 3
        for expand, planes, repeats, stride in plan:
            for _ in range(repeats):
                layers.append(nn.Conv2d(width, planes * expand, 1, stride))
                width = planes * expand
        self.body = nn.Sequential(*layers)
        """,
    ),
    "unpacked": ("zorp", "c, h, w = zorp\nself.body = nn.Linear(c * h * w, 4)"),
    "a condition": (
        "depth",
        """
        assert (depth - 2) % 9 == 0, 'depth'
        self.body = nn.Sequential(*[nn.Linear(3, 3) for _ in range((depth - 2) // 9)])
        """,
    ),
    "a condition that raises": (
        "zorp",
        "if zorp not in (18, 34):\n    raise ValueError(zorp)\nself.body = nn.Linear(zorp, 4)",
    ),
    "words": (
        "kind",
        """
        if kind == 'wide':
            self.body = nn.Linear(8, 4)
        elif kind == 'deep':
            self.body = nn.Linear(2, 4)
        else:
            raise NotImplementedError(kind)
        """,
    ),
    "words kept and compared elsewhere": (
        "kind",
        """
        self.kind = kind.lower()
        made = {'wide': nn.Linear(8, 4), 'deep': nn.Linear(2, 4)}
        self.body = made[self.kind]
        """,
    ),
    "a class of layers": ("zorp", "self.body = nn.Sequential(nn.Conv2d(3, 4, 1), zorp(4))"),
    "the name of a class of layers": ("zorp", "self.body = getattr(nn, zorp)()"),
    "an object with settings": (
        "config",
        "self.body = nn.Linear(config.model.hidden_size // config.model.zorp, 4)",
    ),
    "a dict of settings": ("zorp", "self.body = nn.Linear(zorp['width'], zorp['opt']['out_dim'])"),
    "an annotated dict of settings": (
        "zorp: dict[str, int] | None",
        "self.body = nn.Linear(zorp['width'], 4)",
    ),
    "an annotated namespace": (
        "zorp: __import__('argparse').Namespace",
        "self.body = nn.Linear(zorp.width, 4)",
    ),
    "keywords": ("**kwargs", "self.body = nn.Linear(kwargs['hidden'], kwargs.get('out', 4))"),
    "a model": ("backbone", "self.body = backbone\nself.head = nn.Linear(backbone.out_dim, 4)"),
    "weights": ("matrix", "self.body = nn.Embedding.from_pretrained(matrix)"),
    "nothing": ("zorp", "self.body = nn.Linear(3, 4)"),
    "a number that might be called": (
        "zorp",
        """
        width = (lambda value: value() if callable(value) else value)(zorp)
        self.body = nn.Linear(zorp() if callable(zorp) else zorp, width * 4)
        """,
    ),
    "a ratio that counts": (
        "ratio",
        """
        steps = int(torch.log2(torch.tensor(float(ratio))))
        assert steps > 0
        self.body = nn.Sequential(*[nn.Linear(3, 3) for _ in range(ratio)])
        """,
    ),
    "a mapping of which the keys are iterated over": (
        "zorp",
        """
        self.zorp = zorp
        for name in self.zorp:
            count = self.zorp[name]
            setattr(self, name, nn.Linear(4, count) if count > 1 else None)
        self.body = getattr(self, list(zorp)[0])
        """,
    ),
    "kernels that must be odd": (
        "filter_widths",
        """
        for width in filter_widths:
            assert width % 2 != 0, 'only odd widths'
        self.body = nn.Sequential(*[nn.Conv1d(3, 3, width) for width in filter_widths])
        """,
    ),
    "a list of flags": (
        "zorp: list[bool]",
        "self.body = nn.Sequential(*[nn.Linear(3, 3, bias=flag) for flag in zorp])",
    ),
    "a number in a key": (
        "depth",
        """
        made = {'net18': nn.Linear(3, 4), 'net34': nn.Linear(3, 4)}
        name = 'net{}'.format(depth)
        self.body = made[name]
        """,
    ),
    "the layers of one model inside of another": (
        "big_model",
        "self.body = nn.Linear(3, 4)\nself.inner = big_model.encoder.layers",
    ),
    "a list of anything": (
        "steps: list",
        "self.body = nn.Sequential(*[nn.Linear(3, 3) for _ in steps])",
    ),
    "lists that it is compared with": (
        "zorp: list",
        "assert zorp in [[1, 2, 3], [2, 3]]\n"
        "self.body = nn.Sequential(*[nn.Linear(3, 3) for _ in zorp])",
    ),
    "a network for so many classes": (
        "base_encoder",
        "self.body = base_encoder(num_classes=16, zero_init=True)\n"
        "self.head = nn.Linear(self.body.fc.weight.shape[1], 4)",
    ),
    "a vocabulary": (
        "vocab",
        "self.body = nn.Embedding(len(vocab), 8, padding_idx=vocab.pad_idx)\n"
        "self.longest = vocab.max_length",
    ),
    "a copy of settings": (
        "zorp",
        "settings = dict(zorp)\nself.body = nn.Linear(int(settings['width']), settings['out'])",
    ),
    "a number behind other positions": (
        "out_channels",
        """
        def conv(dims, *args, **kwargs):
            return (nn.Conv1d, nn.Conv2d)[dims - 1](*args, **kwargs)
        self.body = conv(2, 3, out_channels, 1)
        """,
    ),
    "a device by another name": ("dev", "self.body = nn.Linear(3, 4).to(dev)"),
    "a device": ("device", "self.body = nn.Linear(3, 4).to(device)"),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_a_constructor_does_says_what_it_takes(name: str) -> None:
    found = records(code(*BODIES[name]))
    assert [type(r) for r in found] == [ModelGraph], found


def test_settings_of_a_class_that_needs_arguments() -> None:
    cls = "class Zorp:\n    def __init__(self, width):\n        self.width = width\n"
    (graph,) = records(cls + code("zorp: Zorp", "self.body = nn.Linear(zorp.width, 4)"))
    assert isinstance(graph, ModelGraph)


def test_uses_are_followed_into_other_constructors() -> None:
    block = code("sizes", "self.body = nn.Linear(sizes[0], sizes[1])").replace("Net", "Block")
    (graph, *_) = records(block + code("zorp", "self.body = Block(sizes=zorp)"))
    assert isinstance(graph, ModelGraph)
    assert graph.ref.name == "Net"


def test_an_error_changes_the_guess_that_it_is_about() -> None:
    body = "wide = (lambda pair: pair[0])(width)\nself.body = nn.Linear(wide, 4)"
    (graph,) = records(code("width", body))
    assert isinstance(graph, ModelGraph)
    assert graph.ref.arguments == "Net(width=[32, 32, 32, 32])"
    assert graph.ref.guessed == ("width",)


def test_a_model_is_no_part_of_itself() -> None:
    body = "self.inner = small_net\nself.body = nn.Linear(small_net.width, 4)"
    text = code("small_net: nn.Module, width", body).replace("Net(", "SmallNet(")
    (graph,) = records(text)
    assert isinstance(graph, ModelGraph), graph
    assert graph.ref.arguments.startswith("SmallNet(small_net=Identity(")


def test_a_block_has_the_attributes_that_are_read() -> None:
    blocks = """
class PlainBlock(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.body = nn.Linear(a, b)

class WideBlock(PlainBlock):
    expansion = 2

OPTIONS = {'expansion': 3}
"""
    body = "self.body = block(3, 4)\nself.head = nn.Linear(4 * block.expansion, 4)"
    found = {graph.ref.name: graph for graph in records(blocks + code("block", body))}
    assert found["Net"].ref.arguments == "Net(block=WideBlock)"


def test_an_error_that_lists_the_words_it_takes() -> None:
    check = "def check(x):\n    if x not in ('left', 'right'):\n        raise ValueError(x)\n"
    body = "check(mode=None or side)\nself.body = nn.Linear(3, 4)"
    (graph,) = records(check.replace("(x)", "(mode)").replace("x ", "mode ") + code("side", body))
    assert isinstance(graph, ModelGraph)
    assert graph.ref.arguments == "Net(side='left')"


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("zorp should be a float, not an int", "zorp=0.5"),
        ("invalid zorp: expected a tuple of two integers", "zorp=(64, 64)"),
        ("unknown zorp, choose one of 'left', 'right'", "zorp='left'"),
        ("zorp must be in [18, 34]", "zorp=18"),
    ],
)
def test_an_error_that_says_what_an_argument_should_be(said: str, arguments: str) -> None:
    """The check is in another class, whose conditions are no help."""
    right = arguments.partition("=")[2]
    cls = f"""
class Size:
    def __set__(self, owner, value):
        vars(owner)["zorp"] = value
        vars(self)["told"] = type(value) is type({right}) and str(value) == str({right})
        self.tell()
    def tell(self):
        if not self.told:
            raise AttributeError({said!r})
"""
    body = "self.body = nn.Linear(3, 4)\nself.size = zorp\nstr(zorp)"
    text = code("zorp", body).replace("    def __init__", "    size = Size()\n    def __init__")
    (graph,) = records(cls + text)
    assert isinstance(graph, ModelGraph), graph
    assert graph.ref.arguments == f"Net({arguments})"


def test_an_abstract_class_is_replaced_by_one_that_derives_from_it() -> None:
    base = """
import abc
class Coder(nn.Module, abc.ABC):
    @abc.abstractmethod
    def code(self, x): ...
class Wide(Coder):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(3, 4)
    def code(self, x):
        return self.wide(x)
    forward = code
"""
    text = code("coder: Coder", "self.body = coder.code\nself.coder = coder")
    (graph,) = (
        r for r in records(base + text) if isinstance(r, ModelGraph) and r.ref.name == "Net"
    )
    assert graph.ref.arguments == "Net(coder=Wide())"


@pytest.mark.parametrize("forward", ["pass", "def forward(self, x):\n        raise TypeError"])
def test_a_base_without_a_forward_is_replaced_by_one_that_has_it(forward: str) -> None:
    """Not by the model that is built, though that derives from it, too."""
    base = f"""
class Coder(nn.Module):
    {forward}
class Net(Coder):
    def __init__(self, coder: Coder):
        super().__init__()
        self.coder = coder
    def forward(self, x):
        return self.coder(x)
class Wide(Coder):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(3, 4)
    def forward(self, x):
        return self.wide(x)
"""
    graphs = {r.ref.name: r for r in records(base) if isinstance(r, ModelGraph)}
    assert graphs["Net"].ref.arguments == "Net(coder=Wide())"
    assert graphs["Net"].trace.complete


def test_arguments_that_only_the_base_requires() -> None:
    base = code("*, depth, width", "self.body = nn.Sequential(*[nn.Linear(width, 4)] * depth)")
    own = """
class Wide(Net):
    def __init__(self, *args, zorp_scale=2, **kwargs):
        super().__init__(*args, **kwargs)
        self.scale = zorp_scale
"""
    graphs = {r.ref.name: r for r in records(base + own) if isinstance(r, ModelGraph)}
    assert graphs["Wide"].ref.guessed == ("depth", "width")


def test_optional_arguments_that_a_check_demands() -> None:
    body = """
    assert width is not None and depth is not None, "depth and width must be supplied"
    self.body = nn.Sequential(*[nn.Linear(width, 4)] * depth)
    """
    (graph,) = records(code("classes, width=None, depth=None, body=None", body))
    assert isinstance(graph, ModelGraph), graph
    assert set(graph.ref.guessed) == {"classes", "width", "depth"}


def test_a_model_in_place_of_an_argument_holds_built_models() -> None:
    made = Part(nn.Identity, {}, {"stem": Part(nn.ReLU, {})}).value()
    assert isinstance(made.stem, nn.ReLU)


HEAD = "import torch\nfrom torch import nn\n"
NET = code("width, depth", "self.body = nn.Sequential(*[nn.Linear(width, width)] * depth)")


def traced(folder: Path, files: dict[str, str], name: str = "net.py") -> list[Any]:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(HEAD * (path == name) + textwrap.dedent(text), encoding="utf-8")
    path = str(folder / name)
    source = read(path)
    assert isinstance(source, Source)
    module = ModuleType(name.removesuffix(".py").replace("/", "."))
    module.__file__ = path
    exec(compile(source.text, path, "exec"), vars(module))
    workshop = Workshop(module, source)
    return [*Models(workshop, TraceRequest(path), builtin_table()).records(), workshop.evidence]


@pytest.mark.parametrize(
    ("path", "text", "built"),
    [
        (
            "train.py",
            "from net import Net\nw = 6\nmodel = Net(w, depth=1).cuda()\n",
            "Net(6, depth=1)",
        ),
        ("tools/run.py", "import net\n\ndef main(d=3):\n    net.Net(5, d)\n", "Net(5, 3)"),
        (
            "main.py",
            """
            import argparse
            from net import Net
            parser = argparse.ArgumentParser()
            parser.add_argument('--wide-layers', type=int, default='7')
            parser.add_argument('-d', '--depth', default=2, type=int)
            args = parser.parse_args()
            model = Net(args.wide_layers, args.depth)
            """,
            "Net(7, 2)",
        ),
        (
            "try.py",
            "from net import Net\nfor w, d in [(9, 2), (5, 1)]:\n    model = Net(w, depth=d)\n",
            "Net(9, depth=2)",
        ),
        (
            "tests/test_it.py",
            "from net import *\nNet(**{'width': 4, 'depth': 1})",
            "Net(width=4, depth=1)",
        ),
    ],
)
def test_calls_in_other_files(path: str, text: str, built: str, tmp_path: Path) -> None:
    graph, _ = traced(tmp_path, {"net.py": NET, path: text, "setup.py": ""})
    assert graph.ref.arguments == built
    assert graph.ref.guessed == ()
    assert graph.ref.found.path == str(tmp_path / path)


DESCRIBED = {
    "hydra.yaml": "model:\n  _target_: net.Net\n  width: 6\n  depth: 1\n",
    "lightning.yaml": "net:\n  class_path: net.Net\n  init_args: {width: 6, depth: 1}\n",
    "template.json": '{"arch": {"type": "Net", "args": {"width": 6, "depth": 1}}}',
    "lab.py": "model = dict(type='Net', width=6, depth=1)\n",
}


@pytest.mark.parametrize("path", DESCRIBED)
def test_calls_that_settings_describe(path: str, tmp_path: Path) -> None:
    files = {"net.py": NET, f"configs/{path}": DESCRIBED[path], "setup.py": ""}
    graph, _ = traced(tmp_path, files)
    assert (graph.ref.arguments, graph.ref.guessed) == ("Net(width=6, depth=1)", ())
    assert graph.ref.found.path.endswith(path)


def test_what_a_template_leaves_open_is_guessed(tmp_path: Path) -> None:
    files = {"net.py": NET, "net.json": '{"name": "Net", "width": 0, "depth": 2}', "setup.py": ""}
    graph, _ = traced(tmp_path, files)
    assert graph.ref.guessed == ("width",)


@pytest.mark.parametrize(
    "lines",
    [
        "with open(path) as file:\n    made = yaml.safe_load(file)\nNet(**made['model'])\n",
        "config = read(path)\nm = config['model']\nNet(m['width'], m['depth'])\n",
        "SIZES = {'small': dict(width=6, depth=1), 'big': dict(width=9, depth=2)}\n"
        "Net(**SIZES[name])\n",
    ],
    ids=["loaded", "a part", "a table"],
)
def test_arguments_from_parts_of_settings(lines: str, tmp_path: Path) -> None:
    code = "from net import Net\ndef main(path, name):\n" + textwrap.indent(lines, "    ")
    files = {"net.py": NET, "train.py": code, "conf.yml": "model: {width: 6, depth: 1}\n"}
    graph, _ = traced(tmp_path, {**files, "setup.py": ""})
    assert graph.ref.guessed == ()
    assert [op.inputs[0][-1] for op in graph.ops if op.kind == "linear"] == [6]


def test_a_list_that_is_filled_later_is_unknown(tmp_path: Path) -> None:
    text = "from net import Net\nwords = {}\nfor w in data:\n    words[w] = 1\nNet(len(words), 2)\n"
    graph, _ = traced(tmp_path, {"net.py": NET, "train.py": text, "setup.py": ""})
    assert graph.ref.guessed == ("width",)


def test_a_part_that_is_moved_to_a_device_is_built(tmp_path: Path) -> None:
    net = code("body", "self.body = body")
    text = (
        "from torch import nn\nfrom net import Net\nbody = nn.Linear(6, 2).to(device)\nNet(body)\n"
    )
    graph, _ = traced(tmp_path, {"net.py": net, "train.py": text, "setup.py": ""})
    assert graph.ref.guessed == ()
    assert [op.kind for op in graph.ops] == ["input", "linear", "output"]


def test_names_of_other_files_import_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = ModuleType("lazy_drawings")
    monkeypatch.setitem(sys.modules, lazy.__name__, lazy)

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named 'plots', which {name} needs")

    lazy.__getattr__ = missing  # type: ignore[method-assign]
    train = """
        import lazy_drawings
        from lazy_drawings import draw
        from net import Net
        Net(lazy_drawings.width(draw), depth=1)
        """
    graph, _ = traced(tmp_path, {"net.py": NET, "train.py": train, "setup.py": ""})
    assert graph.ref.arguments == "Net(width=32, depth=1)"


def test_what_is_unpacked_is_no_value_alone() -> None:
    (unpacked,) = ast.parse("f(*sizes)", mode="eval").body.args
    with pytest.raises(ValueError, match="starred"):
        evaluate(unpacked, {"sizes": [1, 2]})


def test_calls_in_notebooks(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": "# Net(9, 9)"},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "from net import Net"]},
        {"cell_type": "code", "source": "width = 6\nmodel = Net(width, depth=1)"},
    ]
    files = {"net.py": NET, "train.ipynb": json.dumps({"cells": cells}), "setup.py": ""}
    graph, _ = traced(tmp_path, files)
    assert graph.ref.arguments == "Net(6, depth=1)"
    found = graph.ref.found
    assert (found.path, found.cell, found.line) == (str(tmp_path / "train.ipynb"), 3, 2)


def test_a_project_ends_where_others_lie_beside_it(tmp_path: Path) -> None:
    call = "from net import Net\nmodel = Net({}, depth=1)\n"
    files = {
        "README.md": "",
        "one/README.md": "",
        "one/models/net.py": NET,
        "one/train.py": call.format(6),
        "two/README.md": "",
        "two/main.py": call.format(1000),
    }
    graph, evidence = traced(tmp_path, files, "one/models/net.py")
    assert graph.ref.arguments == "Net(6, depth=1)"
    assert not any("two" in path for path in evidence.project._texts)


def test_a_class_of_the_same_name_in_another_file_is_another_one(tmp_path: Path) -> None:
    other = "class Net: ...\n\nNet(1000, 9)\n"
    unrelated = "from elsewhere import Net\nNet(1000, 9)\n"
    graph, _ = traced(tmp_path, {"net.py": NET, "train.py": other, "main.py": unrelated})
    assert graph.ref.found is None
    assert graph.ref.guessed == ("width", "depth")


def test_what_a_call_does_not_tell_is_guessed(tmp_path: Path) -> None:
    text = "from net import Net\ndata = load()\nmodel = Net(len(data), depth=1)\n"
    graph, _ = traced(tmp_path, {"net.py": NET, "train.py": text})
    assert graph.ref.guessed == ("width",)
    assert graph.ref.found.line == 3


CONFIGURED = code("cfg", "self.body = nn.Linear(cfg.zorp_in, cfg.zorp_out)")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("conf/small.yaml", "model:\n  zorp_in: 5\n  zorp_out: 6\n"),
        ("settings.json", '{"zorp_in": 5, "zorp_out": 6}'),
        ("config.py", "class Config:\n    zorp_in = 5\n    zorp_out = zorp_in + 1\n"),
        (
            "config.py",
            """
            class Config:
                def __init__(self):
                    self.zorp_in = 5
                    self.zorp_out = 6
            """,
        ),
        (
            "options.py",
            """
            def add(parser):
                parser.add_argument('--zorp-in', default=5)
                parser.add_argument('--zorp-out', default=6)
            """,
        ),
        ("presets.py", "small = dict(zorp_in=5, zorp_out=6)\n"),
    ],
)
def test_settings_in_other_files(path: str, text: str, tmp_path: Path) -> None:
    graph, _ = traced(tmp_path, {"net.py": CONFIGURED, path: text, "setup.py": ""})
    assert graph.parameters == 5 * 6 + 6


@pytest.mark.parametrize(
    "text",
    [
        "class Cfg:\n    zorp_in: int = 5\n    zorp_out: int = 6\n",
        "class Cfg:\n    zorp_in = 5\n    zorp_out = 6\n",
        "CFG = {'zorp_in': 5, 'zorp_out': 6}\n",
    ],
)
def test_settings_in_the_same_file(text: str) -> None:
    body = CONFIGURED.replace("cfg.zorp_in, cfg.zorp_out", "cfg['zorp_in'], cfg['zorp_out']")
    (graph,) = records(text + (body if "CFG" in text else CONFIGURED))
    assert isinstance(graph, ModelGraph)
    assert graph.parameters == 5 * 6 + 6


def test_the_shortest_call_that_would_build_it() -> None:
    text = code("width, zorp, mode='a'", "self.body = nn.Linear(width, 4)\nzorp.x[zorp](1)[zorp]")
    (problem,) = records(text)
    assert isinstance(problem, Problem)
    assert problem.hint.endswith("bnlint 'net.py::Net(width=32, zorp=...)'")


def test_only_files_within_limits_are_read(tmp_path: Path) -> None:
    files = {f"many/f{i:03}.py": "x = 1\n" for i in range(250)}
    _, evidence = traced(tmp_path, {"net.py": NET, "setup.py": "", **files})
    assert 150 < sum(map(bool, evidence.project._texts.values())) < 210


def test_a_name_that_is_bound_again_keeps_what_it_was_made_of() -> None:
    code = """
    class Data:
        def __init__(self, inner=None, size=12):
            self.size = inner.size if inner else size

    class Net(nn.Module):
        def __init__(self, dim, out):
            super().__init__()
            self.fc = nn.Linear(dim, out)

        def forward(self, x):
            return self.fc(x)

    if __name__ == "__main__":
        data = Data(size=12)
        data = Data(data)
        net = Net(data.size, 3)
    """
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    assert graph.ref.guessed == ()
    assert [op.outputs for op in graph.ops if op.kind == "linear"] == [((2, 3),)]


def test_a_section_of_settings_with_most_arguments_describes_the_call(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    section = {"width": 12, "depth": 2, "kernel": 5, "classes": 7, "groups": 3}
    settings = {"train": {"width": 99, "rate": 0.1}, "model": {**section, "note": "none"}}
    (tmp_path / "config" / "base.json").write_text(json.dumps(settings))
    file = tmp_path / "net.py"
    body = "self.body = nn.Conv1d(width, classes * groups, kernel, groups=groups)"
    file.write_text("from torch import nn\n" + code("width, depth, kernel, classes, groups", body))
    graph = records_of(file)[0]
    assert isinstance(graph, ModelGraph)
    assert graph.ref.guessed == ()
    assert graph.ref.found is not None
    assert graph.ref.found.path.endswith("base.json")
    assert "width=12" in graph.ref.arguments


def test_a_call_with_nothing_in_the_place_of_settings_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    body = "self.body = nn.Linear(settings.width, 4)"
    call = "\n\nclass Engine:\n    def __init__(self, whole=None):\n        self.net = Net(whole)\n"
    file.write_text("from torch import nn\n" + code("settings", body) + call)
    graph = records_of(file)[0]
    assert isinstance(graph, ModelGraph)
    assert graph.ref.guessed == ("settings.width",)
