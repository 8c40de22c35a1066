"""Links to the pages of rules, to the base that ``docs-url`` names."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bnlint.cli.output import takes_links
from bnlint.config import load_settings
from bnlint.domain.errors import UsageError
from bnlint.report import render
from bnlint.report.rule_links import rule_link
from tests.golden.report import golden_options, golden_report

BASE = "https://example.org/docs"
PAGE = f"{BASE}/rules/BN301/"


@pytest.mark.parametrize(
    ("rule", "base", "expected"),
    [
        ("BN301", BASE, PAGE),
        ("BN301", f"{BASE}/", PAGE),
        ("BN301", f"{BASE}/{{rule}}.md?a=1", f"{BASE}/BN301.md?a=1"),
        ("probe/norm-drift", BASE, f"{BASE}/rules/probe/norm-drift/"),
        ("BN301", "", ""),
        ("ACME101", BASE, ""),
    ],
)
def test_a_rule_has_its_page_below_the_base(rule: str, base: str, expected: str) -> None:
    assert rule_link(rule, base) == expected


def test_formats_link_the_pages_and_only_with_a_base() -> None:
    base = golden_options(docs_url=BASE)
    driver = json.loads(render("sarif", golden_report(), base))["runs"][0]["tool"]["driver"]
    assert {rule["id"]: rule.get("helpUri") for rule in driver["rules"]}["BN301"] == PAGE
    assert f'<a href="{PAGE}"' in render("html", golden_report(), base)
    for name in ("sarif", "html", "text", "concise"):
        assert BASE not in render(name, golden_report(), golden_options(links=True))


def test_a_terminal_that_takes_links_gets_them_around_the_rule() -> None:
    text = render("concise", golden_report(), golden_options(docs_url=BASE, links=True))
    assert f"\x1b]8;;{PAGE}\x1b\\BN301 warning\x1b]8;;\x1b\\: " in text
    assert "\x1b]8" not in render("concise", golden_report(), golden_options(docs_url=BASE))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM_PROGRAM": "WezTerm", "STY": "1.pts"}, False),
        ({"VTE_VERSION": "4800"}, False),
        ({"VTE_VERSION": "7600"}, True),
        ({"FORCE_HYPERLINK": "1"}, True),
        ({"FORCE_HYPERLINK": "0", "WT_SESSION": "x"}, False),
    ],
)
def test_terminals_that_show_links_are_known(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool
) -> None:
    names = ("TERM", "TERM_PROGRAM", "STY", "VTE_VERSION", "FORCE_HYPERLINK", "WT_SESSION")
    for name in (*names, "KITTY_WINDOW_ID", "KONSOLE_VERSION", "DOMTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert takes_links(Terminal()) is expected
    assert takes_links(io.StringIO()) is ("1" in variables.get("FORCE_HYPERLINK", ""))


def test_the_base_is_an_address(tmp_path: Path) -> None:
    assert load_settings({"docs_url": BASE}, tmp_path).docs_url == BASE
    with pytest.raises(UsageError, match="--docs-url: 'javascript:x' is not an address"):
        load_settings({"docs_url": "javascript:x"}, tmp_path)
