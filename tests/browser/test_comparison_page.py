"""The page of a comparison in a real browser: both graphs, signs, synchronised movement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.comparing.showing import render
from bnlint.domain.graph import ModelGraph
from bnlint.domain.model_comparison import (
    ComparedSide,
    ComparisonReport,
    FunctionAnswer,
    GraphAnswer,
    LayerChange,
    ModelComparison,
)
from bnlint.report import RenderOptions
from tests.browser.chromium import Page, find_chromium
from tests.browser.models import NASTY, five, residual

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    assert CHROMIUM is not None
    tab = Page(CHROMIUM)
    yield tab
    tab.close()


@pytest.fixture
def tab(browser: Page) -> Iterator[Page]:
    yield browser
    assert browser.errors == []
    assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data"}


def _comparison(old: ModelGraph, new: ModelGraph, name: str) -> ModelComparison:
    pairs = tuple((a.id, b.id) for a, b in zip(old.ops, new.ops, strict=False))
    change = LayerChange(new.ops[1].layer, "conv2d", setting="stride", old=1, new=2)
    return ModelComparison(
        "net.py",
        name,
        "changed",
        ComparedSide("main", "net.py", name),
        ComparedSide("working tree", "net.py", name),
        function=FunctionAnswer(reason=NASTY),
        graph=GraphAnswer(changed=(change,)),
        graphs=(old, new),
        pairs=pairs,
        signs=({old.ops[1].id: "~", old.ops[2].id: "-"}, {new.ops[1].id: "~"}),
    )


def _page(folder: Path) -> Path:
    small, big = five(), residual(4)
    nasty = replace(small, ops=(replace(small.ops[0], layer=NASTY), *small.ops[1:]))
    found = (_comparison(nasty, five(), "Five"), _comparison(big, residual(5), "Residual"))
    report = ComparisonReport(found, old="main", new="working tree")
    path = folder / "page.html"
    path.write_text(render("html", report, RenderOptions(version="0")), encoding="utf-8")
    return path


def _count(tab: Page, selector: str) -> int:
    return int(tab.run(f"document.querySelectorAll({selector!r}).length"))


def _moves(tab: Page) -> list[str]:
    script = "[...document.querySelectorAll('.canvas > g')].map((g) => g.getAttribute('transform'))"
    return list(tab.run(script))


def test_both_graphs_are_drawn_with_their_signs(tab: Page, tmp_path: Path) -> None:
    tab.open(_page(tmp_path))
    assert _count(tab, "#old .unit") == _count(tab, "#new .unit") == 5
    assert _count(tab, "#old .sign.changed") == _count(tab, "#new .sign.changed") == 1
    assert _count(tab, "#old .sign.removed") == 1
    marks = "[...document.querySelectorAll('.mark text')].map((t) => t.textContent).sort().join('')"
    assert tab.run(marks) == "-~~"
    assert tab.run("document.title") == "bnlint compare: main → working tree"


def test_both_sides_move_and_scale_together(tab: Page, tmp_path: Path) -> None:
    tab.open(_page(tmp_path))
    start = _moves(tab)
    assert start[0] == start[1]
    tab.click_on("#nearer")
    nearer = _moves(tab)
    assert nearer[0] == nearer[1] != start[0]
    tab.run("document.querySelector('#new').dispatchEvent(new KeyboardEvent('keydown', "
            "{key: 'ArrowDown', bubbles: true}))")  # fmt: skip
    moved = _moves(tab)
    assert moved[0] == moved[1] != nearer[0]


def test_a_layer_and_its_partner_are_picked_together(tab: Page, tmp_path: Path) -> None:
    tab.open(_page(tmp_path))
    tab.click_on("#next")
    assert _count(tab, "#old .picked") == _count(tab, "#new .picked") == 1
    assert "removed" in str(tab.run("document.querySelector('#about').textContent"))


def test_another_model_is_chosen(tab: Page, tmp_path: Path) -> None:
    tab.open(_page(tmp_path))
    tab.run("(() => { const m = document.querySelector('#model'); m.value = '1'; "
            "m.dispatchEvent(new Event('change')); })()")  # fmt: skip
    tab.click_on("#open")
    assert _count(tab, "#old .unit") == len(residual(4).ops)
    assert _count(tab, "#new .unit") == len(residual(5).ops)


def test_the_keyboard_reaches_every_node_of_both_sides(tab: Page, tmp_path: Path) -> None:
    tab.open(_page(tmp_path))
    tab.run("document.querySelector('#old').focus()")
    name = "document.activeElement.getAttribute('aria-label')"
    reached = []
    for _ in range(11):  # five nodes, the other side, and its five
        tab.press("Tab")
        reached.append(tab.run(name))
    assert reached[1].endswith(", changed")
    assert reached[5] == "Graph after"
    assert len(set(reached[6:])) == 5
    tab.press("ArrowUp")
    assert tab.run(name).startswith("relu3")
    tab.press("Enter")
    assert str(tab.run("document.querySelector('#about').textContent")).startswith("relu3")


def test_a_slash_goes_to_the_search_of_both_sides(tab: Page, tmp_path: Path) -> None:
    tab.open(_page(tmp_path))
    tab.press("/")
    assert tab.run("document.activeElement.id") == "search"
    tab.write("relu3")
    assert tab.run("document.querySelector('#hits').textContent") == "2 found"
    tab.press("Enter")
    assert _count(tab, ".unit.picked") == 2
    tab.press("Escape")
    assert tab.run("document.querySelector('#search').value") == ""
    assert tab.run("document.querySelector('#hits').textContent") == ""
