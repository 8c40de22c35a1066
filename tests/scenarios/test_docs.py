"""The documentation: pages of rules are current, links lead somewhere, the README is short."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bnlint.config import Settings
from bnlint.pipeline.handbook import pages

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = ROOT / "docs" / "rules"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_pages_of_rules_and_metrics_are_current(request: pytest.FixtureRequest) -> None:
    expected = pages(Settings())
    if request.config.getoption("--update-golden"):
        for name, text in expected.items():
            (PAGES / name).parent.mkdir(parents=True, exist_ok=True)
            (PAGES / name).write_text(text, "utf-8")
    there = {str(path.relative_to(PAGES)): path for path in PAGES.rglob("*.md")}
    assert sorted(there) == sorted(expected)
    for name, text in expected.items():
        assert there[name].read_text("utf-8") == text, f"docs/rules/{name}: --update-golden"


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="needs the docs extra")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "rules" / "BN301" / "index.html").is_file()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "rules/README.md"])
def test_links_to_files_lead_somewhere(name: str) -> None:
    page = ROOT / name
    links = {link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link}
    assert [link for link in sorted(links) if not (page.parent / link).exists()] == []


def test_the_readme_is_short_and_links_every_rule() -> None:
    text = README.read_text("utf-8")
    assert len(text) < 10_000
    linked = set(re.findall(r"\(docs/rules/(BN\d+)\.md\)", text))
    assert linked == {name[:-3] for name in pages(Settings()) if name.startswith("BN")}


def test_the_readme_begins_with_the_first_example() -> None:
    code = (ROOT / "examples" / "first.py").read_text("utf-8")
    assert f"```python\n{code}```" in README.read_text("utf-8")
