from __future__ import annotations

from dataclasses import replace

import pytest

from bnlint.domain.finding import Severity
from bnlint.domain.graph import Location, ModuleInfo
from bnlint.engine.check import check_graph, find_matches
from bnlint.graph.view import View
from tests.unit.engine.rule_texts import REDUNDANT_BIAS, rule_of
from tests.unit.graphs import Builder


def biased(**facts) -> Builder:
    net = Builder()
    net.add("input")
    net.add("conv2d", "conv", **facts)
    net.add("identity")
    net.add("batchnorm2d", "bn")
    net.add("relu")
    return net


def test_a_finding_says_what_and_where():
    (finding,) = check_graph(biased(bias=True).build(), [rule_of()]).findings
    assert finding.rule == "XX101"
    assert finding.message == "`conv` (conv2d) has a bias; `bn` (batchnorm2d) cancels it"
    assert finding.location == Location("net.py", 2)
    assert finding.layer == "conv"
    assert [r.layer for r in finding.related] == ["bn"]
    assert finding.remedy is not None
    assert finding.remedy.layers == {"of": "conv"}
    assert finding.remedy.arguments == {"name": "bias", "to": False}


def test_false_is_silent_and_decided():
    checked = check_graph(biased(bias=False).build(), [rule_of()])
    assert checked.findings == ()
    assert checked.undecided == ()


def test_an_unknown_fact_never_makes_a_finding_and_is_counted():
    checked = check_graph(biased().build(), [rule_of()])
    assert checked.findings == ()
    (undecided,) = checked.undecided
    assert (undecided.rule, undecided.count, undecided.reasons) == ("XX101", 1, ("kernel.bias",))


def test_an_excuse_that_holds_silences():
    net = biased(bias=True)
    net.add("add", reads=("conv", net.ops[-1].id))
    assert check_graph(net.build(), [rule_of()]).findings == ()


@pytest.mark.parametrize(("unknown", "fires"), [("excuses", False), ("fires", True)])
def test_each_excuse_says_what_unknown_means(unknown, fires):
    body = REDUNDANT_BIAS.replace(
        "    if: [$kernel.users, gt, 1]", f"    if: [$kernel.groups, gt, 1]\n    unknown: {unknown}"
    )
    checked = check_graph(biased(bias=True).build(), [rule_of(body)])
    assert bool(checked.findings) is fires
    assert bool(checked.undecided) is not fires


def test_a_gap_stops_at_what_it_may_not_contain():
    net = Builder().chain("input", "conv2d", "relu", "batchnorm2d").build()
    assert list(find_matches(View(net), rule_of())) == []


def test_one_finding_for_each_reported_layer():
    net = Builder()
    net.add("input")
    net.add("conv2d", "conv", bias=True)
    net.add("identity")
    middle = net.ops[-1].id
    net.add("batchnorm2d", "one", reads=(middle,))
    net.add("batchnorm2d", "two", reads=(middle,))
    assert len(check_graph(net.build(), [rule_of()]).findings) == 1


def test_the_settings_are_asked():
    body = REDUNDANT_BIAS + "where: [[$settings.norm-placement, eq, any]]\n"
    body = body.replace("where:\n  - [$kernel.bias, eq, true]\n", "")
    rule, net = rule_of(body), biased(bias=True).build()
    assert len(check_graph(net, [rule], {"norm-placement": "any"}).findings) == 1
    assert check_graph(net, [rule], {"norm-placement": "before-activation"}).findings == ()


def test_a_downgrade_only_lowers():
    low = REDUNDANT_BIAS + "downgrade: [{to: info, because: b, if: [$kernel.bias, eq, true]}]\n"
    (finding,) = check_graph(biased(bias=True).build(), [rule_of(low)]).findings
    assert finding.severity is Severity.INFO
    high = low.replace("to: info", "to: error")
    (finding,) = check_graph(biased(bias=True).build(), [rule_of(high)]).findings
    assert finding.severity is Severity.WARNING


def test_a_convention_is_one_finding_with_its_count():
    body = REDUNDANT_BIAS + (
        "convention: {of: bn, share: 0.5, at-least: 2, "
        "message: '{convention.count} of {convention.total} in {model.name}'}\n"
    )
    net = Builder(definition=Location("net.py", 99))
    net.add("input")
    for n in range(3):
        net.add("conv2d", f"conv{n}", bias=n < 2)
        net.add("batchnorm2d", f"bn{n}")
    (finding,) = check_graph(net.build(), [rule_of(body)]).findings
    assert finding.message == "2 of 3 in Net"
    assert finding.location.line == 99
    assert finding.layer == ""
    assert [r.layer for r in finding.related] == ["conv0", "conv1"]
    rare = rule_of(body.replace("share: 0.5", "share: 0.9"))
    assert len(check_graph(net.build(), [rare]).findings) == 2
    few = rule_of(body.replace("at-least: 2", "at-least: 3"))
    assert len(check_graph(net.build(), [few]).findings) == 2


SHAPED = """\
match: [{bn: {is: batchnorm}}]
where: [[$bn.channels, ne, $bn.channels-arriving]]
report: {at: bn, message: "{bn.channels} for {bn.channels-arriving}"}
"""


def test_what_hangs_on_an_inferred_input_says_so():
    net = Builder()
    net.add("input", shape=(1, 3, 8, 8))
    net.add("batchnorm2d", channels=4, shape=(1, 3, 8, 8))
    (declared,) = check_graph(net.build("declared"), [rule_of(SHAPED)]).findings
    (inferred,) = check_graph(net.build("inferred"), [rule_of(SHAPED)]).findings
    assert declared.message == "4 for 3"
    assert "guessed input" in inferred.message


def test_what_hangs_on_guessed_arguments_says_so():
    graph = biased(bias=True).build()
    guessed = replace(graph, ref=replace(graph.ref, guessed=("width",)))
    assert "guessed arguments: width" in check_graph(guessed, [rule_of()]).findings[0].message


def test_a_rule_over_modules():
    body = """\
over: modules
match: [{m: {is: norm}}]
where: [[$m.used, eq, false]]
report: {at: m, message: "{m.path} is never called"}
"""
    net = biased()
    norm = ModuleInfo("spare", "batchnorm2d", frozenset(("norm",)), ("torch.nn.B",), calls=0,
                      eval_calls=0, construction=Location("net.py", 7))  # fmt: skip
    net.modules = [
        norm,
        replace(norm, path="eval", eval_calls=1),
        replace(norm, path="?", calls=None),
    ]
    checked = check_graph(net.build(), [rule_of(body)])
    assert [(f.layer, f.location.line) for f in checked.findings] == [("spare", 7)]
    assert [u.count for u in checked.undecided] == [1]


def test_placeholders_are_filled_once_and_read_no_attributes():
    body = 'match: [{k: {is: conv}}]\nreport: {at: k, message: "{k.path} {k.__class__} {0}"}\n'
    net = Builder()
    net.add("conv2d", "{k.kind}")
    (finding,) = check_graph(net.build(), [rule_of(body)]).findings
    assert finding.message == "`{k.kind}` (conv2d) {k.__class__} {0}"
