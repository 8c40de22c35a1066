from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bnlint.domain.finding import Finding, Picture, Related, Report, Section, Severity
from bnlint.domain.graph import Location, ModelGraph
from bnlint.report import RenderOptions, RuleInfo, render
from bnlint.report.formats.html import graph_json
from bnlint.report.formats.html.markup import SourceLinks, prose
from tests.golden.report import golden_options, golden_report
from tests.unit.graphs import Builder

PICTURE = Picture("units", '<svg xmlns="http://www.w3.org/2000/svg"><text>ü</text></svg>')


def _net(name: str = "Net", **ref: Any) -> ModelGraph:
    net = Builder(name=name, **ref).chain("input", "conv2d", "batchnorm2d")
    net.add("conv2d", "body.0.conv")
    net.add("relu", "body.0.relu()", module="body.0")
    return net.build()


def _finding(model: str = "Net", layer: str = "conv2d1", **changes: Any) -> Finding:
    at = Location("net.py", 2)
    made = Finding("BN301", "redundant-bias", Severity.WARNING, "a bias", at, model, layer)
    return replace(made, **changes)


def _report(*found: Finding, models: tuple[ModelGraph, ...] = ()) -> Report:
    return Report(findings=found, graphs=models or (_net(),))


def _data(report: Report) -> Any:
    page = render("html", report, RenderOptions(root="/src"))
    found = re.search(r'<script type="application/json" id="data">(.*)</script>\n<script>', page)
    assert found
    return json.loads(found[1])


class _Links(HTMLParser):
    """Collects what the page refers to; fails on what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.styled = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "input", "img"}:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "srcset", "data", "action", "poster"}:
                self.links.append((tag, value or ""))
            assert name != "style", "the policy lets no style attribute through"
            assert not name.startswith("on"), "nor a handler"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_refers_to_nothing_outside() -> None:
    sections = (Section("Probe", (), (PICTURE,)),)
    page = render("html", golden_report(), golden_options(root="/src", sections=sections))
    parser = _Links()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    kinds = {
        (tag, link.partition(":")[0] if ":" in link else link[:1]) for tag, link in parser.links
    }
    assert kinds == {("a", "#"), ("a", "vscode"), ("img", "data"), ("link", "data")}
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_policy_lets_through_the_one_script_and_the_one_style() -> None:
    page = render("html", golden_report(), golden_options())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "default-src 'none'" in policy[1]
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        content = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = b64encode(sha256(content.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy[1]


def test_slots_in_users_text_are_not_filled() -> None:
    page = render("html", _report(_finding(message="{{script}} {{nothing}}")), RenderOptions())
    assert "{{script}} {{nothing}}" in page
    assert "{{" not in page.replace("{{script}} {{nothing}}", "")


def test_odd_names_can_be_written_and_hold_no_markup() -> None:
    odd = "\ud800 \x00 \u202e </script><img src=x onerror=alert(1)>"
    graph = _net()
    strange = replace(graph, ops=(replace(graph.ops[0], layer=odd), *graph.ops[1:]))
    found = _finding(message=odd, layer=odd, related=(Related(odd, None, odd),))
    page = render("html", _report(found, models=(strange,)), RenderOptions())
    page.encode()
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert "\x00" not in page
    assert "\u202e" not in page


def test_findings_of_one_model_stand_together_wherever_they_stand_in_the_report() -> None:
    found = (_finding(), _finding("Other"), _finding(layer="batchnorm2d2"))
    page = render("html", _report(*found), RenderOptions())
    assert page.count("<section class=group>") == 2


def test_marks_name_the_nodes_that_a_finding_is_about() -> None:
    found = _finding(also=(("Net", "body.0.conv"), ("Other", "x")))
    related = _finding(layer="batchnorm2d2", related=(Related("conv2d1", None, ""),))
    marks = _data(_report(found, related))["graphs"][0]["marks"]
    assert [mark["nodes"] for mark in marks] == [[1, 3], [2]]
    assert [mark["related"] for mark in marks] == [[], [1]]


def test_a_finding_about_a_module_that_is_no_operation_names_its_group() -> None:
    (mark,) = _data(_report(_finding(layer="body.0")))["graphs"][0]["marks"]
    assert (mark["nodes"], mark["groups"]) == ([], ["body.0"])


def test_a_finding_that_counts_for_another_model_too_shows_there() -> None:
    models = (_net(), _net("Other"))
    first, other = _data(_report(_finding(also=(("Other", "conv2d1"),)), models=models))["graphs"]
    assert first["marks"][0]["nodes"] == [1]
    assert other["marks"][0]["nodes"] == [1]


def test_models_of_one_name_in_two_files_keep_their_findings_apart() -> None:
    models = (_net(file="a.py"), _net(file="b.py"))
    in_b = _finding(location=Location("blocks.py", 3), anchors=(Location("b.py", 9),))
    first, second = _data(_report(in_b, models=models))["graphs"]
    assert first["marks"] == []
    assert second["marks"][0]["nodes"] == [1]


def test_groups_are_the_modules_that_hold_or_call_an_operation() -> None:
    nodes = _data(_report())["graphs"][0]["nodes"]
    assert [node.get("group", "") for node in nodes] == ["", "", "", "body.0", "body.0"]
    assert [node["family"] for node in nodes] == ["input", "kernel", "norm", "kernel", "activation"]


def test_facts_and_files_that_come_again_are_written_once() -> None:
    net = Builder()
    for n in range(20):
        net.add("conv2d", f"conv{n}", bias=True, kernel_size=(3, 3))
    data = _data(_report(models=(net.build(),)))
    assert data["facts"] == [{"bias": "True", "kernel-size": "3, 3"}]
    assert data["files"] == [["net.py", "vscode://file/src/net.py:{line}:{column}"]]


def test_kernel_size_and_stride_come_first_among_the_facts() -> None:
    net = Builder()
    net.add("conv2d", "conv", bias=True, stride=(2, 2), channels=3, kernel_size=(3, 3), groups=1)
    (facts,) = _data(_report(models=(net.build(),)))["facts"]
    assert list(facts) == ["kernel-size", "stride", "groups", "bias", "channels"]


def test_references_are_links_and_names_in_backticks_are_code() -> None:
    text = "See <it>: https://example.org/a_(b)?c=1&d. The `conv.0` (Conv2d), a ` alone"
    assert prose(text) == (
        'See &lt;it&gt;: <a href="https://example.org/a_(b)?c=1&amp;d" rel=noreferrer>'
        "https://example.org/a_(b)?c=1&amp;d</a>. The <code>conv.0</code> (Conv2d), a ` alone"
    )
    assert prose("(https://example.org/x).").startswith('(<a href="https://example.org/x" ')
    rule = RuleInfo("BN301", "redundant-bias", Severity.WARNING, "", references=(text,))
    page = render("html", _report(_finding()), RenderOptions(rules={"BN301": rule}))
    assert prose(text) in page


@pytest.mark.parametrize(
    ("end", "shown"),
    [
        ((0, 0), "a = <mark>f</mark>("),
        ((1, 11), "a = <mark>f(</mark>"),
        ((3, 6), "a = <mark>f(\n    &lt;b&gt;,\n)</mark> + 1"),
        ((9, 2), "a = <mark>f(\n    &lt;b&gt;,\n) + 1\n\n0\n1</mark>\n…"),
    ],
)
def test_an_expression_is_marked_over_its_lines(end: tuple[int, int], shown: str) -> None:
    source = ["    a = f(", "\t       <b>,", "    ) + 1  ", "", *(f"    {n}" for n in range(9))]
    at = Location("net.py", 1, 9, end_line=end[0], end_column=end[1])
    options = RenderOptions(root="/src", lines=lambda _: source)
    assert f"<pre>{shown}</pre>" in render("html", _report(_finding(location=at)), options)


def test_counts_have_their_plural() -> None:
    page = render("html", _report(_finding()), RenderOptions())
    assert "0</b> errors" in page
    assert "1</b> warning<" in page
    twice = render("html", _report(_finding(), _finding()), RenderOptions())
    assert "2</b> warnings" in twice


def test_a_page_has_room_for_so_many_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_json, "LIMIT", 10)
    models = (_net("A"), _net("B"), _net("Net"))
    data = _data(_report(_finding(), models=models))
    # Those with findings come first, and the page says how many are missing.
    assert [graph["name"] for graph in data["graphs"]] == ["A", "Net"]
    assert data["left"] == 1


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("net.py", "vscode://file/src/net.py"),
        ("/else/my net.py", "vscode://file/else/my%20net.py"),
        ('a"b#c?.py', "vscode://file/src/a%22b%23c%3F.py"),
        ("-", ""),
        ("<model>", ""),
    ],
)
def test_the_link_into_the_editor(path: str, url: str) -> None:
    link = SourceLinks(RenderOptions(root="/src")).link(Location(path, 3, 2))
    assert (f'<a class="place" href="{url}:3:2">' in link) if url else "<a" not in link


def test_without_a_root_a_relative_path_is_no_link() -> None:
    assert SourceLinks(RenderOptions()).link(Location("net.py", 3)) == "<code>net.py:3:1</code>"


def test_scripts_and_styles_are_found_beside_the_module() -> None:
    folder = Path(graph_json.__file__).parent
    assert {path.suffix for path in folder.iterdir()} >= {".js", ".css", ".html"}
