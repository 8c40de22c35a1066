"""Metrics of the probe are selected, weighed, silenced and explained as rules are."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.config import Settings
from bnlint.domain.errors import UsageError
from bnlint.domain.finding import Finding, Severity
from bnlint.domain.graph import Location
from bnlint.pipeline import check, explain
from bnlint.pipeline.measured import is_metric, kept, weighed
from bnlint.sources import Paths


def finding(name: str, line: int = 1, path: str = "net.py") -> Finding:
    at = Location(path, line)
    return Finding(f"probe/{name}", name, Severity.WARNING, "m", at, "Net", "act")


FOUND = (finding("dead-units"), finding("scale"), finding("sample-leak"))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["dead-units", "scale", "sample-leak"]),
        ({"select": ("scale", "BN3")}, ["scale"]),
        ({"select": ("probe/",)}, ["dead-units", "scale", "sample-leak"]),
        ({"select": ("BN3",)}, []),
        ({"ignore": ("dead-units", "probe/scale")}, ["sample-leak"]),
        ({"severity": {"scale": "off"}}, ["dead-units", "sample-leak"]),
    ],
)
def test_words_choose_among_measured_findings(settings: dict, names: list[str]) -> None:
    assert [f.name for f in weighed(FOUND, Settings(**settings))] == names


def test_a_severity_is_that_of_the_settings() -> None:
    (found,) = weighed(FOUND[:1], Settings(severity={"dead-units": "error"}))
    assert found.severity is Severity.ERROR


def test_a_comment_in_the_source_silences_a_metric(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "a = 1  # bnlint: ignore[dead-units] -- small on purpose\nb = 2\n"
    (tmp_path / "net.py").write_text(text)
    found = (finding("dead-units", 1), finding("dead-units", 2), finding("scale", 1))
    left, hidden = kept(found, Paths(tmp_path, tmp_path))
    assert [(f.name, f.location.line) for f in left] == [("dead-units", 2), ("scale", 1)]
    assert hidden == 1


def test_a_run_of_rules_knows_the_words_of_metrics(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = "from torch import nn\nnet = nn.Sequential(nn.Linear(2, 2))  # bnlint: ignore[scale]\n"
    (tmp_path / "net.py").write_text(source)
    settings = Settings(paths=("net.py",), ignore=("dead-layer",), cache=False)
    assert [f.rule for f in check(settings).findings] == []
    only = Settings(paths=("net.py",), select=("probe/",), cache=False)
    assert check(only).findings == ()
    with pytest.raises(UsageError, match="dead-lair"):
        check(Settings(paths=("net.py",), ignore=("dead-lair",), cache=False))


def test_a_metric_has_a_page() -> None:
    page = explain(Settings(cache=False), "dead-layer")
    assert page.startswith("# dead-layer (probe/dead-layer)\n")
    assert "`# bnlint: ignore[dead-layer] -- the reason`" in page
    assert explain(Settings(cache=False), "probe/dead-layer") == page
    assert is_metric("scale")
    assert not is_metric("p")
