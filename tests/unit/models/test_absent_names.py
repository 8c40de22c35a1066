"""Names that the top of a file lacks, because what sets them failed, are guessed and said so."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import TraceRequest
from bnlint.layers.table import builtin_table
from bnlint.loading.execution import Script
from bnlint.loading.missing.stubs import Stub, Stubs
from bnlint.loading.parsing import Source, read
from bnlint.loading.patience import Patience
from bnlint.models.workshop import Workshop
from bnlint.tracing.discovery import Models
from tests.unit.models.test_discovery import HEAD, PATH, net


def _graphs(code: str, **present: Any) -> list[ModelGraph]:
    source, module = read(PATH, HEAD + code), ModuleType("net")
    assert isinstance(source, Source)
    vars(module).update(present)
    script = Script(PATH, source.tree, vars(module), Patience(0))
    script.run(lambda *_: False)
    lost = (*(failed.statement for failed in script.failures), *script.left_out)
    models = Models(Workshop(module, source, lost=lost), TraceRequest(PATH), builtin_table())
    return [record for record in models.records() if isinstance(record, ModelGraph)]


def _guessed(code: str, **present: Any) -> list[tuple[str, ...]]:
    return [graph.ref.guessed for graph in _graphs(code, **present)]


DATA = "data = open('/no/such/file')\n"
NUMBERS = DATA + "n_features = data.shape[1]\nn_classes = len(set(data))\n"


def test_sizes_that_come_from_data() -> None:
    (graph,) = _graphs(NUMBERS + net(layer="nn.Linear(n_features, n_classes)"))
    assert graph.ref.guessed == ("n_classes", "n_features")
    assert graph.ref.arguments == "Net()"
    assert graph.trace.complete


def test_what_a_model_does_not_read_is_not_guessed_for_it() -> None:
    small = net("Small", layer="nn.Linear(3, 4)")
    assert _guessed(NUMBERS + small + net("Wide", layer="nn.Linear(n_features, 4)")) == [
        (),
        ("n_features",),
    ]


def test_names_that_blocks_read_and_arithmetic_is_done_with() -> None:
    block = net("Block", layer="nn.Linear(wide, wide)")
    code = DATA + "size = data.size\nwide = 4 * size\n" + block + net(layer="Block()")
    (graph,) = _graphs(code)
    assert graph.ref.guessed == ("wide",)
    assert all(shape[-1] % 4 == 0 for op in graph.ops for shape in op.outputs if shape)


def test_settings_read_from_a_file_that_is_not_there() -> None:
    code = "config = open('/no/such/file')\n"
    code += net(layer="nn.Linear(config['model']['width'], config['n_classes'])")
    assert _guessed(code) == [("config.n_classes", "config.model.width")]


def test_a_class_whose_defaults_are_absent_is_defined() -> None:
    assert _guessed(NUMBERS + net(arguments="n=n_features", layer="nn.Linear(n, 4)")) == [
        ("n_features",)
    ]


def test_an_absent_number_in_a_written_call_is_said_to_be_guessed() -> None:
    code = NUMBERS + net(arguments="n", layer="nn.Linear(n, n_classes)") + "model = Net(n_features)"
    (graph,) = _graphs(code)
    assert graph.ref.guessed == ("n", "n_classes")
    assert (graph.ref.found.line, graph.ref.arguments) == (14, "Net(64)")


def test_models_that_are_built_of_absent_numbers_and_passed_on() -> None:
    part = net("Part", "n", "nn.Linear(n, 6)") + net("Whole", "part", "nn.Sequential(part)")
    code = DATA + "n_things = len(data)\n" + part + "part = Part(n_things)\nmodel = Whole(part)\n"
    whole = next(graph for graph in _graphs(code) if graph.ref.name == "Whole")
    assert (whole.ref.arguments, whole.ref.guessed) == ("Whole(Part(n_things))", ("part",))
    assert whole.trace.complete


def test_numbers_of_a_missing_package() -> None:
    stubs = Stubs()
    stubs.add("gym")
    try:
        env = Stub(stubs, "gym.make()")
        code = "actions = env.action_space.n\nwords = int(bool(env.vocab))\n"
        code += net(layer="nn.Linear(actions, words)")
        assert _guessed(code, env=env) == [("actions", "words")]
        called = net(layer="env.Layer(3)")
        assert _guessed(called, env=env) == [()]
    finally:
        stubs.close()


def test_parsed_arguments_without_a_default() -> None:
    code = "import argparse\nargs = argparse.Namespace(width=8, n_classes=None)\n"
    (graph,) = _graphs(code + net(layer="nn.Linear(args.width, args.n_classes)"))
    assert graph.ref.guessed == ("args.n_classes",)
    assert {shape[-1] for op in graph.ops for shape in op.inputs if shape} == {8}
    assert _guessed(code + net(layer="nn.Linear(args.width, 4)")) == [()]


def test_a_branch_that_is_not_run_is_no_failure() -> None:
    code = "if False:\n    fast = 3\n" + net(layer="nn.Linear(3, fast if False else 4)")
    assert _guessed(code) == [()]
