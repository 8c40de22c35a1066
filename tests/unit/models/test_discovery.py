"""Which models of a file are checked, how they are built, and what is said of the rest."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import ModelSpec, TraceRequest
from bnlint.layers.table import builtin_table
from bnlint.loading.missing.stubs import Stubs
from bnlint.loading.parsing import Source, read
from bnlint.models import workshop as workshops
from bnlint.models.workshop import Workshop
from bnlint.tracing import discovery
from bnlint.tracing.discovery import Models

PATH = "/nowhere/net.py"
HEAD = "import torch\nfrom torch import nn\n"


def records(code: str, *named: str) -> list[ModelGraph | Problem]:
    text = HEAD + textwrap.dedent(code)
    source = read(PATH, text)
    assert isinstance(source, Source)
    module = ModuleType("net")
    exec(compile(text, PATH, "exec"), vars(module))
    request = TraceRequest(PATH, models=tuple(map(ModelSpec, named)))
    return list(Models(Workshop(module, source), request, builtin_table()).records())


def records_of(file: Path) -> list[ModelGraph | Problem]:
    """Those of a file on disk, whose code can be read while it runs."""
    source, spec = read(str(file)), importlib.util.spec_from_file_location(file.stem, file)
    assert isinstance(source, Source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    models = Models(Workshop(module, source), TraceRequest(str(file)), builtin_table())
    return list(models.records())


def calls(code: str, *named: str) -> list[str]:
    found = records(code, *named)
    return [r.ref.arguments or r.ref.name for r in found if isinstance(r, ModelGraph)]


def problems(code: str, *named: str) -> list[Problem]:
    return [r for r in records(code, *named) if isinstance(r, Problem)]


NET = """
class {0}(nn.Module):
    def __init__(self{1}):
        super().__init__()
        self.layer = {2}

    def forward(self, x):
        return self.layer(x)
"""


def net(name: str = "Net", arguments: str = "", layer: str = "nn.Linear(3, 4)") -> str:
    return NET.format(name, arguments and f", {arguments}", layer)


def test_a_class_without_arguments() -> None:
    assert calls(net()) == ["Net()"]


def test_instances_come_first_and_are_not_built_again() -> None:
    assert calls(net() + "model = Net()\n") == ["model"]
    assert calls(net(arguments="n=4", layer="nn.Linear(3, n)") + "model = Net(n=5)\n") == [
        "model",
        "Net()",
    ]


def test_an_imported_or_inner_instance_is_not_an_own_one() -> None:
    code = "from torch.nn import ReLU\nlayer = nn.Linear(2, 2)\nwhole = nn.Sequential(layer)\n"
    assert calls(code) == ["whole"]


def test_factories_are_told_by_what_they_return() -> None:
    code = (
        net(arguments="n", layer="nn.Linear(3, n)")
        + """
def _make(n):
    return Net(n)

def small():
    return _make(4)

def large(pretrained=False):
    model = _make(8)
    return model

def hinted() -> "Net":
    net = Net(16)
    net.eval()
    return net

def table():
    return {"small": small}

def train():
    raise SystemExit("never called")
"""
    )
    assert calls(code) == ["small()", "large()", "hinted()"]
    assert problems(code) == []


def test_factories_of_classes_from_elsewhere_are_tried_where_they_need_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = ModuleType("elsewhere")
    exec(HEAD + net(arguments="n", layer="nn.Linear(3, n)"), vars(elsewhere))
    monkeypatch.setitem(sys.modules, "elsewhere", elsewhere)
    code = """
from elsewhere import Net

def build(width=4):
    return Net(width)

def block(width):
    return Net(width)
"""
    assert calls(code) == ["build()"]
    assert problems(code) == []


def test_many_factories_of_one_class_are_counted() -> None:
    code = net(arguments="n=2", layer="nn.Linear(3, n)")
    code += "".join(f"def net{i}():\n    return Net({i + 3})\n" for i in range(9))
    assert len(calls(code)) == 7
    (problem,) = problems(code)
    assert "3 more functions" in problem.message


def test_no_other_factory_is_checked_after_many_operations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "_OPERATIONS", 5)
    code = net(arguments="n", layer="nn.Linear(3, n)")
    code += "".join(f"\ndef net{n}():\n    return Net({n + 1})\n" for n in range(4))
    found = records(code)
    assert len([r for r in found if isinstance(r, ModelGraph)]) == 2
    (problem,) = (r for r in found if isinstance(r, Problem))
    assert problem.message == "2 more functions that return Net were not built"


def test_blocks_inside_a_bigger_model_are_not_checked_twice() -> None:
    code = net("Block") + net("Net", layer="nn.Sequential(Block(), Block())")
    assert calls(code) == ["Net()"]


def test_a_block_that_a_decorator_derived_from_is_not_checked_twice() -> None:
    decorator = """
def kept(cls):
    class Decorated(cls):
        def __init__(self, *args):
            super().__init__(*args)
    Decorated.__name__ = cls.__name__
    return Decorated
"""
    block = "@kept" + net("Block", "n", "nn.Linear(n, n)")
    assert calls(decorator + block + net(layer="Block(3)")) == ["Net()"]
    other = net("Block", "n", "nn.Linear(n, n)") + net("Other").replace("nn.Module", "Block")
    assert len(calls(other.replace("super().__init__()", "nn.Module.__init__(self)"))) == 2


def test_a_block_is_checked_by_itself_where_the_bigger_model_cannot_be_built() -> None:
    code = net("Block", "width=4", "nn.Linear(3, width)") + net(
        "Net", "zorp", "Block(zorp.x[zorp](1)[zorp])"
    )
    (graph,) = (r for r in records(code) if isinstance(r, ModelGraph))
    assert graph.ref.block
    assert graph.ref.arguments == "Block()"
    (problem,) = problems(code)
    assert problem.kind is ProblemKind.NOT_BUILT
    assert "zorp" in problem.message
    assert "net.py::Net(zorp=...)" in problem.hint
    assert not problem.blocking


def test_arguments_from_calls_in_the_file() -> None:
    code = net(arguments="zorp, n", layer="nn.Linear(zorp, n)")
    code += "if __name__ == '__main__':\n    width = 7\n    net = Net(width, n=2 * 4)\n"
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.ref.arguments == "Net(7, n=8)"
    assert graph.ref.guessed == ()


def test_arguments_guessed_from_their_names() -> None:
    code = net(arguments="in_channels, num_classes, kernel_size",
               layer="nn.Conv2d(in_channels, num_classes, kernel_size)")  # fmt: skip
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.ref.arguments == "Net(in_channels=3, num_classes=10, kernel_size=3)"
    assert graph.ref.guessed == ("in_channels", "num_classes", "kernel_size")


def test_guesses_that_do_not_fit_together_are_tried_anew() -> None:
    code = """
    class Net(nn.Module):
        def __init__(self, inplanes, planes):
            super().__init__()
            self.conv = nn.Conv2d(inplanes, planes, 1)

        def forward(self, x):
            return self.conv(x) + x
    """
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.ref.arguments == "Net(inplanes=64, planes=64)"
    assert not any(op.error for op in graph.ops)


def test_guesses_that_never_fit_say_nothing_about_shapes() -> None:
    layers = "nn.Sequential(nn.Linear(3, num_classes), nn.Linear(num_classes + 1, 4))"
    code = net(arguments="num_classes, hidden_dim", layer=layers)
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.ref.inputs.source == "none"
    assert not any(op.error for op in graph.ops)


def test_settings_objects_are_made_up_too() -> None:
    code = net(arguments="config", layer="nn.Linear(config.hidden_size, config['num_labels'])")
    assert calls(code) == ["Net(config=...)"]


def test_base_classes_and_private_helpers_are_passed_over_in_silence() -> None:
    code = """
    class Base(nn.Module):
        pass

    class Abstract(nn.Module):
        def forward(self, x):
            raise NotImplementedError
    """
    assert calls(textwrap.dedent(code) + net()) == ["Net()"]
    assert problems(textwrap.dedent(code) + net()) == []


def test_a_file_in_which_nothing_can_be_built_is_blocked() -> None:
    (problem,) = problems(net(arguments="zorp", layer="zorp.x[zorp](1)[zorp]"))
    assert problem.blocking
    assert problem.line == 7
    (problem,) = problems("class Base(nn.Module):\n    pass\n")
    assert problem.kind is ProblemKind.NO_MODEL
    assert problem.blocking


def test_a_file_without_models_has_nothing_to_say() -> None:
    assert records("x = 1\n") == []


def test_helpers_that_hand_on_their_keywords_are_passed_over() -> None:
    code = net(arguments="n=4", layer="nn.Linear(3, n)") + net(
        "Block", "dim, width", "nn.Linear(dim, width)"
    )
    code += """
def block3(**kwargs):
    return Block(width=3, **kwargs)

def helper(dim, width):
    return Block(dim, width)

def user():
    return [helper(1, 2)]
"""
    assert problems(code) == []
    assert [c.partition("(")[0] for c in calls(code)] == ["Net", "Block"]


def test_an_error_while_building_names_the_line() -> None:
    (problem,) = problems(net(layer="nn.Linear(3, 'x')"))
    assert problem.kind is ProblemKind.NOT_BUILT
    assert problem.line == 7
    assert problem.model == "Net"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("Net(5)", "Net(5)"),
        ("Net", "Net()"),
        ("model", "model"),
        ("build(n=2)", "build(n=2)"),
        ("Holder.inner", "Holder.inner"),
        ("nn.Linear(3, 4)", "nn.Linear(3, 4)"),
    ],
)
def test_models_named_by_the_user(named: str, expected: str) -> None:
    code = net(arguments="n=4", layer="nn.Linear(3, n)") + (
        "model = Net(9)\ndef build(n):\n    return Net(n)\nclass Holder:\n    inner = model\n"
    )
    (graph,) = records(code, named)
    assert isinstance(graph, ModelGraph)
    assert (graph.ref.arguments or graph.ref.name) == expected
    assert graph.ref.origin == "named"


@pytest.mark.parametrize(
    ("named", "kind", "words"),
    [
        ("Nett", ProblemKind.NO_MODEL, "did you mean `Net`"),
        ("zzz", ProblemKind.NO_MODEL, "it has"),
        ("Net(", ProblemKind.NO_MODEL, "not a name or a call"),
        ("1 + 1", ProblemKind.NO_MODEL, "neither a name nor the call"),
        ("Net(n='x')", ProblemKind.NOT_BUILT, "building Net(n='x')"),
        ("Net(m=1)", ProblemKind.NOT_BUILT, "unexpected keyword"),
        ("len('x')", ProblemKind.NO_MODEL, "has no `len`"),
        ("torch.ones(1)", ProblemKind.NOT_BUILT, "not a torch.nn.Module"),
    ],
)
def test_what_cannot_be_a_model(named: str, kind: ProblemKind, words: str) -> None:
    (problem,) = problems(net(arguments="n=4", layer="nn.Linear(3, n)"), named)
    assert problem.kind is kind
    assert words in f"{problem.message} {problem.hint}"
    assert problem.blocking


def test_what_is_named_is_not_taken_for_a_repetition() -> None:
    assert calls(net(), "Net", "Net()") == ["Net()", "Net()"]


def test_sums_of_scalars_do_not_make_guessed_arguments_look_wrong() -> None:
    code = """
class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.layer(x)
        loss = x.mean() + x.std()
        return self.head(x), loss + 1
"""
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.ref.inputs.source == "inferred"


SKIP = """
class Up(nn.Module):
    def __init__(self, channels, skip):
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1)
        self.two = nn.Conv2d(channels + skip, channels, 3, padding=1)

    def forward(self, x, skip=None):
        x = self.one(x)
        if skip is not None:
            x = torch.cat([x, skip], 1)
        return self.two(x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = Up(8, 4)
        raise RuntimeError("wants weights")

    def forward(self, x, y):
        return self.up(x, y)
"""


def test_a_block_called_without_its_optional_input_says_nothing_about_channels() -> None:
    (graph,) = [r for r in records(SKIP) if isinstance(r, ModelGraph)]
    assert graph.ref.name == "Up"
    assert [op.error for op in graph.ops if op.error] == []
    assert all(op.facts.get("alone") for op in graph.ops if "kernel" in op.tags)


def test_what_defaults_to_none_is_guessed_where_the_class_refuses_none() -> None:
    code = """
class Net(nn.Module):
    def __init__(self, n_chans=None, n_times=None, norm_layer=None):
        super().__init__()
        if n_chans is None or n_times is None:
            raise ValueError("say how many")
        self.n_times = n_times
        self.layer = nn.Conv1d(n_chans, 4, 5)
        self.head = nn.Linear(4 * (n_times - 4), 2)

    def forward(self, x):
        return self.head(self.layer(x).flatten(1))
"""
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.ref.guessed == ("n_chans", "n_times")
    assert graph.ref.inputs.source == "inferred"


@pytest.mark.parametrize("name", ["Net", "Part", "Guessed", "ready"])
def test_a_model_that_is_named_is_traced_like_one_that_is_found(name: str) -> None:
    code = """
    class Part(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.fc = nn.Linear(width, width)

        def forward(self, x):
            return self.fc(x)

    class Guessed(nn.Module):
        def __init__(self, in_dim, out_dim):
            super().__init__()
            self.fc, self.norm = nn.Linear(in_dim, 2 * out_dim), nn.BatchNorm1d(out_dim)

        def forward(self, x):
            return self.norm(self.fc(x))

    class Net(nn.Module):
        def __init__(self, depth=2):
            super().__init__()
            self.parts = nn.ModuleList(Part(8) for _ in range(depth))

        def forward(self, x):
            for part in self.parts:
                x = part(x)
            return x

    ready = nn.Conv2d(3, 8, 3)
    ready(torch.rand(1, 3, 20, 20))
    """

    def described(*named: str) -> list[object]:
        graphs = (r for r in records(code, *named) if isinstance(r, ModelGraph))
        return [(replace(g.ref, origin=""), g.ops) for g in graphs if g.ref.name == name]

    alone = described(name)
    assert len(alone) == 1
    assert described() in ([], alone)  # a part is not checked by itself


REFUSES = """
class Settings:
    def __init__(self, words=-1, width=8):
        self.words, self.width = words, width

class Net(nn.Module):
    def __init__(self, settings: Settings):
        super().__init__()
        assert settings.words > 0, "set the number of words"
        self.layer = nn.Embedding(settings.words, settings.width)

    def forward(self, x):
        return self.layer(x)
"""


def test_a_default_that_the_constructor_refuses_is_changed() -> None:
    (graph,) = records(REFUSES)
    assert isinstance(graph, ModelGraph)
    assert graph.ref.guessed == ("settings",)
    assert graph.parameters == 64 * 8


def test_a_layer_of_a_missing_package_is_a_part_that_is_not_seen() -> None:
    stubs = Stubs()
    stubs.add("nowhere")
    try:
        code = """
            from nowhere import Body

            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.body = Body(3, 8)
                    self.conv = nn.Conv2d(8, 4, 3)
                    self.bn = nn.BatchNorm2d(4)

                def forward(self, x):
                    return self.bn(self.conv(self.body.features(x)))
        """
        text = HEAD + textwrap.dedent(code)
        source = read(PATH, text)
        assert isinstance(source, Source)
        module = ModuleType("net")
        exec(compile(text, PATH, "exec"), vars(module))
        workshop = Workshop(module, source)
        found = Models(workshop, TraceRequest(PATH), builtin_table(), stubs).records()
        (graph,) = [r for r in found if isinstance(r, ModelGraph)]
    finally:
        stubs.close()
    assert [part.path for part in graph.trace.opaque] == ["body"]
    assert {"conv", "bn"} <= {op.layer for op in graph.ops}


def test_one_of_several_classes_of_settings_is_made() -> None:
    code = """
        class Seen:
            def __init__(self, width=32):
                self.width = width

        class Read:
            def __init__(self, width=48):
                self.width = width

        class Net(nn.Module):
            def __init__(self, config: Seen | Read):
                super().__init__()
                self.layer = nn.Linear(config.width, 4)

            def forward(self, x):
                return self.layer(x)
    """
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.parameters == 33 * 4


def test_what_a_library_keeps_in_a_config_for_itself_is_not_set() -> None:
    code = """
        class Net(nn.Module):
            def __init__(self, config):
                super().__init__()
                self.config = config
                self.layer = nn.Linear(config.width, config.width)

            def forward(self, x):
                return self.layer(x) if self.config._kind is None else x
    """
    (graph,) = records(code)
    assert isinstance(graph, ModelGraph)
    assert graph.trace.complete


def test_a_constructor_that_computes_on_and_on_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshops, "_PATIENCE", 0.2)
    endless = net("Slow", "size", "nn.Linear(sum(iter(lambda: size, 0)), 4)")
    found = records(endless + net("Quick", "size", "nn.Linear(size, 4)"))
    (slow,) = (r for r in found if isinstance(r, Problem))
    assert (
        slow.message == "building Slow(size=32) (size guessed) took more than 0.2 s and was stopped"
    )
    assert [r.ref.name for r in found if isinstance(r, ModelGraph)] == ["Quick"]


CRASHING = """
from torch import nn

class Part(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.fc = nn.Linear(8, width)

    def forward(self, x):
        return self.fc(x)

class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part()

    def forward(self, x):
        return self.part(x)
"""


def test_models_that_bnlint_fails_at_are_said_with_their_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "trace_model", int)  # which raises without code of the user
    problems = [record for record in records(CRASHING) if isinstance(record, Problem)]
    assert {(p.kind, p.model) for p in problems} == {
        (ProblemKind.CRASH, "Whole"),
        (ProblemKind.CRASH, "Part"),
    }
    assert all("internal error in bnlint" in problem.message for problem in problems)
