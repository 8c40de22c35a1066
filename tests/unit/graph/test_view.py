from __future__ import annotations

from bnlint.domain.rule import Tags
from bnlint.graph.view import View, fits, layer_key
from tests.unit.graphs import Builder


def branches() -> View:
    net = Builder()
    net.add("input", "x")
    net.add("conv2d", "conv")
    net.add("identity", "skip")
    net.add("batchnorm2d", "bn")
    net.add("add", "sum", reads=("bn", "conv"))
    net.add("output", "out")
    return View(net.build())


def ids(ops) -> list[str]:
    return [op.id for op in ops]


def test_fits():
    tags = frozenset(("conv", "kernel"))
    assert fits(tags, Tags())
    assert fits(tags, Tags(("norm", "conv")))
    assert not fits(tags, Tags(("norm",)))
    assert not fits(tags, Tags(("kernel",), none_of=("conv",)))
    assert not fits(tags, Tags(none_of=("conv",)))


def test_neighbours_stand_by_slot():
    view = branches()
    assert ids(view.predecessors(view.op("sum"))) == ["bn", "conv"]
    assert ids(view.successors(view.op("conv"))) == ["skip", "sum"]
    assert view.successors(view.op("out")) == ()


def test_fitting_is_in_the_order_of_execution():
    view = branches()
    assert ids(view.fitting(Tags(("norm", "conv")))) == ["conv", "bn"]
    assert ids(view.fitting(Tags(("kernel",)))) == ["conv"]
    assert ids(view.fitting(Tags(none_of=("kernel", "norm", "add")))) == ["x", "skip", "out"]
    assert view.fitting(Tags(("lstm",))) == ()


def test_reach_walks_only_through_the_gap_and_meets_what_stops_it():
    view = branches()
    gap = Tags(("passthrough",))
    assert ids(view.reach(view.op("conv"), gap)) == ["skip", "bn", "sum"]
    assert ids(view.beyond(view.op("conv"), gap)) == ["bn", "sum"]
    assert ids(view.beyond(view.op("bn"), gap, back=True)) == ["conv"]


def test_reach_is_remembered():
    view = branches()
    met = view.reach(view.op("x"), Tags())
    steps = view.steps
    assert view.reach(view.op("x"), Tags()) == met
    assert view.steps == steps > 0


def test_networkx_has_the_ops_and_edges():
    drawn = branches().networkx()
    assert set(drawn) == {"x", "conv", "skip", "bn", "sum", "out"}
    assert drawn.nodes["conv"]["kind"] == "conv2d"
    assert drawn.get_edge_data("conv", "sum") == {0: {"slot": 1}}


def test_calls_of_a_module_are_one_layer_and_calls_of_a_function_are_many():
    net = Builder()
    net.add("add", "block.add()", module="block")
    net.add("relu", "act")
    first, second = net.ops
    assert layer_key(first) == first.id
    assert layer_key(second) == "act"
