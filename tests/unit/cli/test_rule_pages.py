"""``bnlint rules --format`` and the pages that documentation is made of."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from bnlint.cli import main

LINK = re.compile(r"\]\(([\w/.-]+\.md)\)")


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        return capsys.readouterr().out

    return run


def test_pages_are_written_and_the_index_links_all_of_them(out, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    said = out("rules", "--isolated", "--format", "markdown", "--output-dir", str(tmp_path / "d"))
    pages = {p.relative_to(tmp_path / "d").as_posix() for p in (tmp_path / "d").rglob("*.md")}
    linked = set(LINK.findall((tmp_path / "d" / "index.md").read_text("utf-8")))
    assert linked == pages - {"index.md"}
    assert {"BN301.md", "BN900.md", "probe/norm-drift.md"} <= linked
    assert said.startswith(f"{len(pages)} pages written to ")


def test_a_page_is_what_explain_prints_with_its_addresses_as_links(out, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out("rules", "--isolated", "--format", "markdown", "--output-dir", str(tmp_path))
    page = (tmp_path / "BN301.md").read_text("utf-8")
    assert "<https://arxiv.org/abs/1502.03167>" in page
    assert re.sub(r"<(https:[^>]*)>", r"\1", page) == out("explain", "BN301", "--isolated")


def test_a_metric_is_explained_by_its_name_and_by_the_rule_of_its_findings(out) -> None:  # type: ignore[no-untyped-def]
    text = out("explain", "norm-drift")
    assert text.startswith("# norm-drift (probe/norm-drift)\n")
    assert text == out("explain", "probe/norm-drift")


def test_the_table_links_pages_of_the_documentation(out, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "c.toml").write_text('severity = {BN102 = "error"}\n')
    lines = out("rules", "--format", "markdown", "--config", str(tmp_path / "c.toml")).splitlines()
    row = next(line for line in lines if "BN102" in line)
    assert row.startswith("| [BN102](docs/rules/BN102.md) | `missing-norm` | error |")
    assert all(line.count("|") - line.count("\\|") == 6 for line in lines if "[BN" in line)


def test_rules_are_data(out) -> None:  # type: ignore[no-untyped-def]
    data = json.loads(out("rules", "--format", "json", "--isolated"))
    rules = {rule["id"]: rule for rule in data["rules"]}
    assert (rules["BN301"]["name"], rules["BN301"]["fix"]) == ("redundant-bias", "unsafe")
    assert (rules["BN109"]["severity"], rules["BN109"]["default"]) == ("off", "off")
    assert any(metric["name"] == "norm-drift" for metric in data["metrics"])


def test_pages_that_cannot_be_written_are_a_mistake_of_the_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert main(("rules", "--output-dir", "d")) == 2
    assert main(("rules", "--format=markdown", f"--output-dir={tmp_path}/file")) == 2
    assert capsys.readouterr().err.count("error: --output-dir") == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_page_is_laid_out_for_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {}
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(("explain", "BN301")) == 0
        shown[type(stream)] = stream.getvalue()
    assert "## Why" in shown[io.StringIO]
    assert "## Why" not in shown[Terminal]
    assert "\x1b[" in shown[Terminal]
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(("explain", "BN301")) == 0
    assert sys.stdout.getvalue() == shown[io.StringIO]  # type: ignore[attr-defined]
