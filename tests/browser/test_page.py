"""The page in a real browser: it loads nothing, nothing fails, and everything can be reached."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bnlint.domain.finding import Evidence, PageTable, Picture, Related, Section, Severity
from bnlint.domain.graph import Edge, Location, ModelGraph
from tests.browser.chromium import Page, find_chromium
from tests.browser.models import NASTY, dense, finding, five, flat, page, report, residual, wide
from tests.unit.graphs import Builder

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]

# Units whose boxes overlap, and texts that are wider than the box they stand in.
OVERLAPS = """(() => {
  const boxes = [...document.querySelectorAll(".unit .body")].map((e) => e.getBoundingClientRect());
  let bad = 0;
  boxes.forEach((a, n) => {
    for (const b of boxes.slice(n + 1)) {
      const across = a.left < b.right && b.left < a.right;
      if (across && a.top < b.bottom && b.top < a.bottom) bad += 1;
    }
  });
  return bad;
})()"""
CLIPPED = """[...document.querySelectorAll(".unit")].filter((unit) => {
  const box = unit.querySelector(".body").getBoundingClientRect();
  return [...unit.querySelectorAll(":scope > text")].some((text) => {
    const is = text.getBoundingClientRect();
    return is.left < box.left || is.right > box.right || is.bottom > box.bottom + 1;
  });
}).map((unit) => unit.textContent)"""
OUT_OF_SIGHT = """(() => {
  const all = document.querySelector("#canvas").getBoundingClientRect();
  return [...document.querySelectorAll(".unit")].filter((unit) => {
    const is = unit.getBoundingClientRect();
    return is.left < all.left || is.right > all.right || is.top < all.top || is.bottom > all.bottom;
  }).length;
})()"""
# Boxes of open groups that are neither apart nor one within the other, and units across a border.
ACROSS = """(() => {
  const find = (s) => [...document.querySelectorAll(s)].map((e) => e.getBoundingClientRect());
  const frames = find(".box .frame");
  const inside = (a, b) => a.left >= b.left && a.right <= b.right && a.top >= b.top
    && a.bottom <= b.bottom;
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom
    && b.top < a.bottom;
  let bad = 0;
  for (const frame of frames) {
    for (const other of [...frames, ...find(".unit .body")]) {
      if (meet(frame, other) && !inside(other, frame) && !inside(frame, other)) bad += 1;
    }
  }
  return bad;
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    assert CHROMIUM is not None
    tab = Page(CHROMIUM)
    yield tab
    tab.close()


@pytest.fixture
def tab(browser: Page) -> Iterator[Page]:
    browser.dark(False)
    yield browser
    assert browser.errors == []
    assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in browser.requests) <= 1


def _count(tab: Page, selector: str) -> int:
    return int(tab.run(f"document.querySelectorAll({json.dumps(selector)}).length"))


def _text(tab: Page, selector: str) -> str:
    return str(tab.run(f"document.querySelector({json.dumps(selector)}).textContent"))


def _open_all(tab: Page) -> None:
    tab.click_on("#open")


def _at(tab: Page) -> str:
    return str(tab.run("document.querySelector('#canvas > g').getAttribute('transform')"))


@pytest.mark.parametrize(
    "graph",
    [five(), residual(4), residual(16), residual(125), dense(30), wide(9), flat(1000)],
    ids=lambda graph: f"{graph.ref.name}-{len(graph.ops)}",
)
def test_models_of_every_size_are_drawn_without_overlaps(
    tab: Page, tmp_path: Path, graph: ModelGraph
) -> None:
    tab.open(page(tmp_path, report([graph])), "#graph")
    assert 0 < _count(tab, ".unit") <= 64
    assert tab.run(OVERLAPS) == 0
    assert tab.run(CLIPPED) == []
    _open_all(tab)
    assert _count(tab, ".unit") == len(graph.ops)
    assert tab.run(OVERLAPS) == 0
    assert tab.run(CLIPPED) == []
    assert tab.run(ACROSS) == 0
    tab.click_on("#fit")
    assert tab.run(OUT_OF_SIGHT) == 0


def test_every_edge_is_drawn_from_its_source_to_its_target(tab: Page, tmp_path: Path) -> None:
    tab.open(page(tmp_path, report([residual(1)])), "#graph")
    _open_all(tab)
    # Ways may be shared, but each edge has an arrow of its own at its end.
    assert _count(tab, ".link[marker-end]") == len(residual(1).edges)


def test_an_edge_against_the_order_of_execution_is_drawn_too(tab: Page, tmp_path: Path) -> None:
    graph = five()
    back = replace(graph, edges=(*graph.edges, Edge(graph.ops[3].id, graph.ops[1].id, 1)))
    tab.open(page(tmp_path, report([back])), "#graph")
    assert _count(tab, ".link.back") == 1


def test_a_module_that_is_called_again_is_a_group_for_each_call(tab: Page, tmp_path: Path) -> None:
    graph = residual(2)
    other = residual(2, "again")
    ops = [replace(op, id=f"again.{op.id}") for op in other.ops[1:]]
    twice = replace(graph, ops=(*graph.ops, replace(graph.ops[0], id="y", layer="y"), *ops))
    tab.open(page(tmp_path, report([twice])), "#graph")
    labels = tab.run("[...document.querySelectorAll('.label .name')].map((t) => t.textContent)")
    assert "body" in labels
    assert "body #2" in labels


def test_findings_are_marked_on_nodes_and_on_the_groups_around_them(
    tab: Page, tmp_path: Path
) -> None:
    found = [
        finding("Residual", "body.7.conv1", also=(("Residual", "body.9.conv1"),)),
        finding("Residual", "body.7.conv1", severity=Severity.ERROR),
    ]
    tab.open(page(tmp_path, report([residual(16)], found)), "#graph")
    marks = tab.run("[...document.querySelectorAll('.note')].map((n) => n.textContent)")
    assert sorted(marks) == ["▲ 1", "✖ 2", "✖ 2"]  # body.9; body.7 and the group of all blocks
    _open_all(tab)
    assert _count(tab, ".unit .note") == 2
    assert _count(tab, ".unit .note.error") == 1


def test_a_click_on_a_node_shows_its_source_and_its_findings(tab: Page, tmp_path: Path) -> None:
    found = finding(
        "Five",
        "conv2d1",
        evidence=Evidence("seen on 256 samples"),
        related=(Related("batchnorm2d2", None, "cancels it"),),
    )
    tab.open(page(tmp_path, report([five()], [found])), "#graph")
    tab.click_on(".unit", 1)
    assert _text(tab, "#panel h3") == "conv2d1"
    href = tab.run("document.querySelector('#panel a.place').getAttribute('href')")
    assert href == f"vscode://file{tmp_path}/net.py:2:1"
    assert _text(tab, "#panel a.place") == "net.py:2:1"
    assert "seen on 256 samples" in _text(tab, "#panel article")
    tab.click_on(".unit", 2)
    assert "takes part in" in _text(tab, "#panel")
    tab.click_on("#panel .jump")  # what it reads
    assert _text(tab, "#panel h3") == "conv2d1"


def test_the_list_of_findings_leads_to_the_graph_and_back(tab: Page, tmp_path: Path) -> None:
    graphs = [residual(16), replace(five(), ref=replace(five().ref, file="b.py"))]
    found = [finding("Residual", "body.12.conv2"), finding("Five", "conv2d1")]
    tab.open(page(tmp_path, report(graphs, found)))
    assert _count(tab, "#findings article") == 2
    tab.click_on(".locate", 0)
    assert _text(tab, "#panel h3") == "body.12.conv2"
    assert _count(tab, ".unit.picked") == 1
    tab.click_on("#panel article a")
    tab.wait("location.hash === '#finding-0' && !document.querySelector('#findings').hidden")
    tab.click_on(".locate", 1)
    assert _text(tab, "#panel h3") == "conv2d1"
    assert (
        tab.run("document.querySelector('#model').selectedOptions[0].textContent") == "Five (b.py)"
    )


def test_findings_are_filtered_by_severity_and_by_words(tab: Page, tmp_path: Path) -> None:
    found = [
        finding("Five", "conv2d1"),
        finding("Five", "relu3", severity=Severity.INFO, message="something else"),
        finding("Other", "x", location=Location("other.py", 1)),
    ]
    tab.open(page(tmp_path, report([five()], found)))
    shown = "#findings article:not([hidden])"
    tab.click_on(".filter input[name=warning]")
    assert _count(tab, shown) == 1
    assert _text(tab, "#shown") == "1 of 3 shown"
    tab.click_on(".filter input[name=warning]")
    tab.click_on("#filter")
    tab.write("other.py")
    assert _count(tab, shown) == 1
    assert _count(tab, "#findings .group:not([hidden])") == 1


def test_wheel_drag_and_keys_move_the_graph(tab: Page, tmp_path: Path) -> None:
    tab.open(page(tmp_path, report([residual(16)])), "#graph")
    places = [_at(tab)]
    tab.wheel(400, 500, -300)
    places.append(_at(tab))
    tab.drag((400, 500), (500, 560))
    places.append(_at(tab))
    tab.run("document.querySelector('#canvas').focus()")
    for key in ("ArrowDown", "+", "0"):
        tab.press(key)
        places.append(_at(tab))
    assert len(set(places)) == len(places)


def _focused(tab: Page) -> str:
    return str(tab.run("document.activeElement.getAttribute('aria-label')"))


def test_the_keyboard_reaches_every_node(tab: Page, tmp_path: Path) -> None:
    found = finding("Residual", "body.0.conv1")
    tab.open(page(tmp_path, report([residual(2)], [found])), "#graph")
    tab.run("document.querySelector('#canvas').focus()")
    reached = []
    for _ in range(_count(tab, ".unit, .label")):
        tab.press("Tab")
        reached.append(_focused(tab))
        assert (
            tab.run(
                "getComputedStyle(document.activeElement.querySelector('.body, .plate'))"
                ".strokeWidth"
            )
            == "4px"
        )  # the focus is seen
        assert tab.run(
            "(() => { const a = document.querySelector('#canvas')"
            ".getBoundingClientRect(), b = document.activeElement"
            ".getBoundingClientRect(); return b.top < a.bottom && b.bottom > a.top })()"
        )
    assert len(set(reached)) == len(reached)
    assert reached[0].startswith("x, input")
    assert reached[1] == "body, 16 operations, 1 finding"
    assert reached[2].startswith("body.0, 8 operations")
    assert reached[3].startswith("body.0.conv1, conv2d, 1×16×32×32, 1 finding")
    assert any(name.startswith("body.1.add()") for name in reached)


def test_arrows_lead_along_the_graph_and_enter_shows_details(tab: Page, tmp_path: Path) -> None:
    tab.open(page(tmp_path, report([five()])), "#graph")
    tab.run("document.querySelector('#canvas').focus()")
    tab.press("Enter")
    for layer in ("conv2d1", "batchnorm2d2", "relu3"):
        tab.press("ArrowDown")
        assert _focused(tab).startswith(layer)
    tab.press("ArrowUp")
    tab.press("Enter")
    assert _text(tab, "#panel h3") == "batchnorm2d2"
    tab.press("Escape")
    assert tab.run("document.activeElement.id") == "canvas"


def test_space_opens_a_group_and_keeps_the_focus(tab: Page, tmp_path: Path) -> None:
    tab.open(page(tmp_path, report([residual(16)])), "#graph")
    before = _count(tab, ".unit")
    tab.run("document.querySelector('.unit.closed').focus()")
    name = _focused(tab)
    tab.press(" ")
    assert _count(tab, ".unit") > before
    assert _focused(tab) == name
    assert tab.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    tab.press(" ")
    assert _count(tab, ".unit") == before
    assert _focused(tab) == name


def test_a_slash_goes_to_the_search_and_escape_clears_it(tab: Page, tmp_path: Path) -> None:
    found = [finding("Five", "conv2d1"), finding("Five", "relu3")]
    path = page(tmp_path, report([five()], found))
    for chapter, field in (("", "filter"), ("#graph", "search"), ("#models", "filter")):
        tab.open(path, chapter)
        tab.press("/")
        assert tab.run("document.activeElement.id") == field
        tab.write("conv2d1")
        tab.press("/")  # no more than a letter here
        assert tab.run("document.activeElement.id") == field
        assert _count(tab, "#findings article:not([hidden])" if field == "filter" else ".hit") == 1
        tab.press("Escape")
        assert tab.run(f"document.querySelector('#{field}').value") == ""
        assert _count(tab, "#findings article[hidden], .hit") == 0


def test_the_facts_of_a_layer_begin_with_its_kernel(tab: Page, tmp_path: Path) -> None:
    net = Builder(name="One")
    net.add("input", "x", module="")
    net.add("conv2d", "conv", bias=False, stride=(2, 2), kernel_size=(7, 7))
    tab.open(page(tmp_path, report([net.build()])), "#graph/0/conv")
    assert _text(tab, "#panel summary") == "3 facts"
    facts = tab.run("[...document.querySelectorAll('#panel details dt')].map((e) => e.innerText)")
    assert facts[:2] == ["kernel-size", "stride"]


def test_the_template_of_the_editor_is_used_in_the_graph(tab: Page, tmp_path: Path) -> None:
    web = "https://example.org/{relative}?at={line}&from={column}"
    for editor, links in ((web, ["https://example.org/net.py?at=2&from=1"]), ("none", [])):
        made = report([five()], [finding("Five", "conv2d1")])
        tab.open(page(tmp_path, made, editor=editor), "#graph/0/conv2d1")
        shown = "[...document.querySelectorAll('#panel dl a.place')].map((e) => e.href)"
        assert tab.run(shown) == links
        assert "net.py:2:1" in _text(tab, "#panel")


def test_search_finds_layers_in_closed_groups(tab: Page, tmp_path: Path) -> None:
    tab.open(page(tmp_path, report([residual(125)])), "#graph")
    tab.click_on("#search")
    tab.write("77.down")
    assert _text(tab, "#hits") == "2 found"
    tab.press("Enter")
    assert _text(tab, "#panel h3") == "body.77.down.0"
    tab.press("Enter")
    assert _text(tab, "#panel h3") == "body.77.down.1"
    assert _text(tab, "#hits") == "2 of 2"
    box: Any = tab.run(
        "(() => { const b = document.querySelector('.unit.picked').getBoundingClientRect();"
        "return [b.left, b.right, b.top, b.bottom]; })()"
    )
    assert 0 < box[0] < box[1] < 930
    assert 200 < box[2] < box[3] < 800


def test_a_group_opens_where_it_is_clicked_and_closes_again(tab: Page, tmp_path: Path) -> None:
    tab.open(page(tmp_path, report([residual(16)])), "#graph")
    before = _count(tab, ".unit")
    tab.click_on(".unit.closed .knob", 0)
    assert _count(tab, ".unit") == before + 6  # six operations and a group inside, for one
    tab.click_on("#close")
    assert _count(tab, ".unit") == 2


def test_an_address_leads_to_a_layer(tab: Page, tmp_path: Path) -> None:
    tab.open(page(tmp_path, report([five(), residual(16)])), "#graph/1/body.3.bn1")
    assert _text(tab, "#panel h3") == "body.3.bn1"


def test_names_from_users_files_stay_text(tab: Page, tmp_path: Path) -> None:
    graph = five()
    op = replace(graph.ops[1], layer=NASTY, facts={"class": NASTY, "note": NASTY}, error=NASTY)
    nasty = replace(
        graph,
        ref=replace(graph.ref, name=NASTY, file=f"{NASTY}.py", arguments=NASTY),
        ops=(graph.ops[0], op, *graph.ops[2:]),
    )
    found = finding(NASTY, NASTY, related=(Related(NASTY, Location(NASTY, 1), NASTY),))
    sections = (Section(NASTY, (NASTY,), (), (PageTable(NASTY, (NASTY,), ((NASTY,),)),)),)
    tab.open(page(tmp_path, report([nasty], [found]), sections=sections), "#graph")
    tab.click_on(".unit", 1)
    assert _text(tab, "#panel h3") == NASTY
    assert NASTY in _text(tab, "#findings")
    assert NASTY in _text(tab, "#measured")
    assert _count(tab, "script") == 2
    assert tab.run("document.title").startswith("bnlint: ")


def test_the_dark_page_is_dark_and_readable(tab: Page, tmp_path: Path) -> None:
    path = page(tmp_path, report([five()], [finding("Five", "conv2d1")]))
    contrast = """(() => {
      const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map((v) => (v /= 255) <= 0.03928
        ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const page = light(getComputedStyle(document.body).backgroundColor);
      return [page, ...[".badge", ".message", ".more, .tool", "a.place, a"].map((s) => {
        const ink = light(getComputedStyle(document.querySelector(s)).color);
        return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05); })];
    })()"""
    for dark in (False, True):
        tab.dark(dark)
        tab.open(path)
        ground, *contrasts = tab.run(contrast)
        assert (ground < 0.05) is dark
        assert min(contrasts) > 4.5


def test_pictures_and_tables_of_a_probe_are_shown(tab: Page, tmp_path: Path) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40"><rect width="9"/></svg>'
    table = PageTable("Activations", ("layer", "dead", "none"), (("relu", 0.25, None),))
    sections = (Section("Probe", ("256 samples",), (Picture("units", svg),), (table,)),)
    tab.open(page(tmp_path, report([five()]), sections=sections), "#measured")
    assert tab.run("document.querySelector('#measured img').naturalWidth") == 90
    assert tab.run("document.querySelector('#measured meter').value") == 0.25
    assert "25 %" in _text(tab, "#measured td.share")


def test_a_report_without_graphs_says_so(tab: Page, tmp_path: Path) -> None:
    tab.open(page(tmp_path, report([])), "#graph")
    assert "no graphs" in _text(tab, "#left")
    assert tab.run("document.querySelector('.graph').hidden")
