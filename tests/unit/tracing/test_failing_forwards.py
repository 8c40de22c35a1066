"""What no input can run is an error; what another may run is a note; a size is looked for."""

from __future__ import annotations

import textwrap

import pytest

from bnlint.domain.graph import ModelGraph
from bnlint.engine.catalogue import built_in_files, load_rules
from bnlint.engine.check import check_graph
from bnlint.pipeline.notes import notes_on
from bnlint.tracing.file import trace_source

RULES = [rule for rule in load_rules(built_in_files()) if rule.id.startswith("BN2")]

HEAD = """
import torch
from torch import nn
from torch.nn import functional as F

class Block(nn.Module):
    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

"""


def traced(layers: str, forward: str, tail: str = "") -> ModelGraph:
    body = textwrap.indent(textwrap.dedent(forward).strip(), " " * 8)
    net = f"class Net(Block):\n    def __init__(self):\n        super().__init__({layers})\n"
    (graph,) = trace_source(f"{HEAD}{net}\n    def forward(self, x):\n{body}\n\n{tail}", "net.py")
    return graph


def said(graph: ModelGraph) -> list[tuple[str, str]]:
    """The errors of a model, each with the line of the forward that makes the call."""
    return [(f.rule, f.message) for f in check_graph(graph, RULES).findings]


NEVER = {
    "channels of a sum": (
        "a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(4, 6, 3, padding=1)",
        "x = self.a(x)\nreturn x + self.b(x)",
        "size of tensor a (4) must match",
    ),
    "a map that a convolution without padding makes smaller": (
        "a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(4, 4, 5)",
        "x = self.a(x)\nreturn x + self.b(x)",
        "must match the size of tensor b",
    ),
    "maps of two strides": (
        "a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(3, 4, 3, 2, 1)",
        "return torch.cat([self.a(x), self.b(x)], 1)",
        "Sizes of tensors must match",
    ),
    "the inner sizes of a product": (
        "q=nn.Linear(12, 20), k=nn.Linear(12, 28)",
        "return self.q(x) @ self.k(x).transpose(-2, -1)",
        "",
    ),
    "a size that is a float": (
        "a=nn.Conv2d(3, 4, 3)",
        "x = self.a(x)\nn, c, h, w = x.shape\nreturn x.view(n, 2, c / 2, h, w)",
        "float",
    ),
    "a view of more elements than there are": (
        "a=nn.Conv2d(3, 4, 3), p=nn.AdaptiveAvgPool2d(5)",
        "x = self.p(self.a(x))\nreturn x.view(x.size(0), 104)",
        "invalid for input of size",
    ),
    "an attribute that nobody sets": (
        "a=nn.Linear(12, 20)",
        "return self.head(self.a(x))",
        "has no attribute 'head'",
    ),
    "a method that tensors do not have": (
        "a=nn.Conv2d(3, 4, 3)",
        "return self.a(x).flaten(1)",
        "no attribute 'flaten'",
    ),
    "a name that nobody defines": (
        "a=nn.Conv2d(3, 4, 3)",
        "y = self.a(x)\nreturn F.relu(z)",
        "name 'z' is not defined",
    ),
    "a variable that is read before it is set": (
        "a=nn.GRU(12, 20)",
        "out, state = self.a(x, state)\nreturn out",
        "variable 'state'",
    ),
    "too many values": (
        "a=nn.Conv2d(3, 4, 3)",
        "x = self.a(x)\nn, c, t = x.shape\nreturn x.reshape(n, c * t)",
        "too many values to unpack",
    ),
    "the arguments of a function": (
        "a=nn.Conv2d(3, 4, 3)",
        "return F.relu(self.a(x), inplce=True)",
        "unexpected keyword",
    ),
    "tokens that are floats": (
        "a=nn.Linear(12, 20), e=nn.Embedding(10, 4)",
        "return self.e(self.a(x))",
        "indices",
    ),
    "the result of a recurrent layer": (
        "r=nn.LSTM(12, 20), fc=nn.Linear(20, 4)",
        "return self.fc(self.r(x))",
        "must be Tensor, not tuple",
    ),
    "an axis that is missing": (
        "a=nn.Conv2d(3, 4, 3)",
        "return self.a(x).flatten(1).softmax(2)",
        "Dimension out of range",
    ),
    "a list of modules that is called": (
        "ls=nn.ModuleList([nn.Conv2d(3, 4, 3)])",
        "return self.ls(x)",
        "ModuleList",
    ),
    "more layers than the list has": (
        "ls=nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)])",
        "for i in range(3):\n    x = self.ls[i](x)\nreturn x",
        "index 2 is out of range",
    ),
    "a layer norm over the width of a map": (
        "a=nn.Conv2d(3, 32, 4, 4), n=nn.LayerNorm(32)",
        "return self.n(self.a(x))",
        "the 32 channels are in dim 1",
    ),
    "a layer norm that the first guess happens to fit": (
        "a=nn.Conv2d(3, 56, 4, 4), n=nn.LayerNorm(56)",
        "return self.n(self.a(x))",
        "the 56 channels are in dim 1",
    ),
}


@pytest.mark.parametrize("name", NEVER)
def test_what_no_input_can_run_is_an_error(name: str) -> None:
    layers, forward, reason = NEVER[name]
    ((rule, message),) = said(traced(layers, forward))
    assert rule == ("BN207" if "LayerNorm" in layers else "BN206")
    assert reason in message


def test_features_that_no_image_gives() -> None:
    forward = "return self.fc(F.max_pool2d(self.a(x), 2).flatten(1))"
    ((rule, _),) = said(traced("a=nn.Conv2d(3, 32, 5), fc=nn.Linear(1000, 10)", forward))
    assert rule == "BN205"


def test_a_rank_that_only_one_size_gets_to() -> None:
    layers = "a=nn.Conv2d(1, 4, 5), fc=nn.Linear(4 * 12 * 12, 20), n=nn.BatchNorm2d(20)"
    graph = traced(layers, "return self.n(self.fc(F.max_pool2d(self.a(x), 2).flatten(1)))")
    ((rule, message),) = said(graph)
    assert rule == "BN202"
    assert graph.ref.inputs.shapes == ((2, 1, 28, 28),)
    assert "28x28" in message


DOUBTFUL = {
    "a size that no image has which is tried": (
        "a=nn.Conv2d(3, 4, 3), fc=nn.Linear(4 * 11 * 3001, 5)",
        "return self.fc(self.a(x).flatten(1))",
    ),
    "a check of the input that does not say what it wants": (
        "a=nn.Conv2d(3, 4, 3)",
        "if x.shape[2] % 97 != 5:\n    raise ValueError('no')\nreturn self.a(x)",
    ),
    "a variable that some images set": (
        "a=nn.Conv2d(3, 4, 3)",
        "if x.shape[2] % 97 == 5:\n    y = self.a(x)\nreturn y",
    ),
    "a variable that the first round of a loop does not set": (
        "a=nn.Conv2d(3, 4, 3)",
        "for i in (0, 1):\n    if i or len(x) != 7:\n        x = y\n    y = self.a(x)\nreturn x",
    ),
    "an attribute that is set before the first call": (
        "a=nn.Linear(12, 20)",
        "return self.a(x) + self.state\n\ndef start(self):\n    self.state = 0",
    ),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_another_input_may_run_is_a_note(name: str) -> None:
    graph = traced(*DOUBTFUL[name])
    assert said(graph) == []
    assert len(list(notes_on(graph, ()))) == 1


RUNS = {
    "a flatten decides the size": (
        "a=nn.Conv2d(3, 4, 3), fc=nn.Linear(4 * 58 * 58, 5)",
        "return self.fc(self.a(x).flatten(1))",
        (2, 3, 60, 60),
    ),
    "two results must be of one length": (
        "q=nn.Conv1d(8, 24, 1), k=nn.Conv1d(8, 24, 1)",
        "return torch.bmm(self.q(x), self.k(x))",
        (2, 8, 24),
    ),
    "a check decides the size": (
        "a=nn.Conv2d(3, 4, 3)",
        "assert x.shape[2] == 7\nreturn self.a(x)",
        (2, 3, 7, 7),
    ),
    "a table of positions decides the size": (
        "a=nn.Conv2d(3, 16, 16, 16), t=nn.ParameterList([torch.zeros(1, 100, 16)])",
        "return self.a(x).flatten(2).transpose(1, 2) + self.t[0]",
        (2, 3, 160, 160),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_size_that_a_layer_asks_for_is_found(name: str) -> None:
    layers, forward, shape = RUNS[name]
    graph = traced(layers, forward)
    assert said(graph) == []
    assert graph.trace.unfit is None
    before, after = graph.ref.inputs.shapes[0], shape
    assert before[:2] == after[:2]
    assert graph.ops[-2].outputs


def test_an_input_of_the_file_is_taken_at_its_word() -> None:
    tail = "if __name__ == '__main__':\n    Net()(torch.zeros(1, 3, 4, 4))"
    ((rule, message),) = said(traced("a=nn.Conv2d(3, 4, 7)", "return self.a(x)", tail))
    assert rule == "BN206"
    assert "too small" in message


DEMANDS = """
class Net(Block):
    def __init__(self):
        super().__init__(conv=nn.Conv2d(3, 8, 3))

    def forward(self, x{argument}):
        torch._assert(x.shape[1] == {wanted}, "something else is needed")
        {line}
        return self.conv(x)

if __name__ == "__main__":
    Net()(torch.rand(2, 3, 16, 16))
"""


@pytest.mark.parametrize(
    ("argument", "wanted", "line", "expected"),
    [
        (", targets=None", 3, "torch._assert(targets is not None, 'targets are missing')", []),
        (", targets=None", 3, "if targets is None: raise ValueError('targets are missing')", []),
        ("", 4, "pass", ["BN206"]),
    ],
)
def test_what_a_model_demands_of_optional_inputs_is_no_fault_of_it(
    argument: str, wanted: int, line: str, expected: list[str]
) -> None:
    source = HEAD + DEMANDS.format(argument=argument, wanted=wanted, line=line)
    (graph,) = trace_source(source, "net.py")
    assert [rule for rule, _ in said(graph)] == expected
    assert expected or "missing" in " ".join(note.message for note in notes_on(graph, ()))


CHOSEN = """
class Net(Block):
    def __init__(self):
        super().__init__(conv=nn.Conv1d(4, 8, 3))

    def forward(self, x):
        x = self.conv(x).transpose(1, 2)
        return x[{index}] + torch.ones(5, 8)

if __name__ == "__main__":
    Net()(torch.rand(2, 4, 16))
"""


@pytest.mark.parametrize(("index", "expected"), [("x.sum(-1) > 0", []), (":, :4", ["BN206"])])
def test_how_many_elements_a_mask_chooses_is_not_known(index: str, expected: list[str]) -> None:
    (graph,) = trace_source(HEAD + CHOSEN.format(index=index), "net.py")
    assert [rule for rule, _ in said(graph)] == expected


def test_an_argument_that_a_layer_does_not_take_may_be_tried() -> None:
    forward = """
        for layer in (self.act, self.conv):
            try:
                x = layer(x, lengths=None)
            except TypeError:
                x = layer(x)
        return x"""
    graph = traced("act=nn.ReLU(), conv=nn.Conv2d(3, 8, 3)", forward)
    assert [op.kind for op in graph.ops] == ["input", "relu", "conv2d", "output"]
    assert said(graph) == []


def test_guessed_arguments_set_no_variable() -> None:
    code = f"""{HEAD}
class Net(Block):
    def __init__(self, width):
        super().__init__(a=nn.Linear(width, 20))

    def forward(self, x):
        y, state = self.a(x), state
        return y
"""
    (graph,) = trace_source(code, "net.py")
    ((rule, message),) = said(graph)
    assert rule == "BN206"
    assert "variable 'state'" in message


def test_an_input_that_cannot_be_taken_apart_is_one_error() -> None:
    layers = "conv=nn.Conv2d(3, 8, 3), norm=nn.BatchNorm2d(8)"
    forward = "image, boxes = x\nreturn self.norm(self.conv(image)).sum() + boxes"
    tail = "if __name__ == '__main__':\n    Net()(torch.randn(1, 3, 32, 32))"
    graph = traced(layers, forward, tail)
    assert [rule for rule, _ in said(graph)] == ["BN206"]


def test_the_type_of_a_guessed_input_is_no_fault() -> None:
    forward = "near, far = x[0].view(1, -1), x[1].view(1, -1).long()\n"
    assert said(traced("", forward + "return torch.cdist(near, x[1].view(1, -1))")) == []


EACH = """
class Net(Block):
    def __init__(self):
        super().__init__(layers=nn.ModuleList([nn.Linear(16, 8)]), norm=nn.LayerNorm(8))

    def forward(self, items: list[torch.Tensor]):
        found = {}
        for item in items:
            found[len(found)] = self.norm(self.layers[len(found)](item))
        return found
"""


def test_the_length_of_a_list_that_was_guessed_is_no_fault() -> None:
    (graph,) = trace_source(HEAD + EACH, "net.py")
    assert said(graph) == []


STEPS = """
class Net(Block):
    def __init__(self):
        layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(12)])
        super().__init__(layers=layers, narrow=nn.Linear(8, 6), out=nn.Linear({features}, 2))

    def forward(self, x):
        total = 0
        for step in range(x.shape[1]):
            total = total + self.narrow(self.layers[step](x[:, step]))
        return self.out(total)
"""


@pytest.mark.parametrize(("features", "expected"), [(6, []), (5, ["BN205"])])
def test_more_steps_than_layers_hide_no_other_fault(features: int, expected: list[str]) -> None:
    (graph,) = trace_source(HEAD + STEPS.format(features=features), "net.py")
    assert [rule for rule, _ in said(graph)] == expected
