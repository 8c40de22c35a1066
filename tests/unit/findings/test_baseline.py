from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.domain.errors import ConfigError
from bnlint.domain.finding import Finding, Severity
from bnlint.domain.graph import Location
from bnlint.findings.baseline import (
    Compared,
    Entry,
    compare,
    entries_of,
    read_baseline,
    stale_problems,
    write_entries,
)
from bnlint.findings.order import fingerprinted


def _findings(*layers: str, file: str = "net.py") -> tuple[Finding, ...]:
    return fingerprinted(
        [
            Finding("BN301", "n", Severity.WARNING, f"{la} ö", Location(file, 1), "Net", la)
            for la in layers
        ],
        str,
    )


def _compare(
    findings: tuple[Finding, ...],
    entries: tuple[Entry, ...],
    checked: Collection[str] = ("net.py",),
) -> Compared:
    return compare(
        findings,
        entries,
        lambda file, rule: file in checked and rule == "BN301",
        exists=lambda file: file == "net.py",
    )


def test_known_findings_are_held_back_and_gone_ones_are_stale(tmp_path: Path) -> None:
    path = tmp_path / "bnlint-baseline.json"
    write_entries(path, entries_of(_findings("b", "a"), str), "bnlint 1")
    result = _compare(_findings("a", "c"), read_baseline(path))
    assert [f.layer for f in result.new] == ["c"]
    assert [e.layer for e in result.met] == ["a"]
    assert [e.layer for e in result.stale] == ["b"]
    (problem,) = stale_problems(result.stale, "bnlint-baseline.json")
    assert problem.message == "BN301 in net.py (Net: b) is no longer found"


def test_entries_of_files_that_were_not_checked_are_not_stale() -> None:
    entries = entries_of(_findings("a"), str)
    assert _compare((), entries, checked=()).stale == ()
    assert _compare((), entries).stale == entries


def test_entries_of_rules_that_say_nothing_are_not_stale() -> None:
    entries = tuple(replace(e, rule="BN999") for e in entries_of(_findings("a"), str))
    assert _compare((), entries).stale == ()


def test_a_renamed_file_keeps_its_entries() -> None:
    entries = entries_of(_findings("a", "b", file="old.py"), str)
    result = _compare(_findings("a", "c"), entries)
    assert [f.layer for f in result.new] == ["c"]
    assert [e.layer for e in result.met] == ["a"]
    assert [e.layer for e in result.stale] == ["b"]
    # While the old file is there, a second one with the same finding is news.
    there = compare(_findings("a"), entries, lambda *_: True, exists=lambda file: True)
    assert [f.layer for f in there.new] == ["a"]


def test_a_second_layer_of_the_same_name_is_new() -> None:
    twice = fingerprinted([*_findings("a"), *_findings("a")], str)
    assert len(_compare(twice, entries_of(_findings("a"), str)).new) == 1


def test_the_file_is_sorted_readable_and_the_same_each_time(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_entries(path, entries_of(_findings("b", "a"), str), "bnlint 1")
    text = path.read_text(encoding="utf-8")
    assert [row["layer"] for row in json.loads(text)["findings"]] == ["a", "b"]
    assert len(text.splitlines()) == 8
    assert "ö" in text
    write_entries(path, reversed(read_baseline(path)), "bnlint 1")
    assert path.read_text(encoding="utf-8") == text
    write_entries(path, (), "bnlint 1")
    assert read_baseline(path) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 2, "findings": []}', "has version 2, and this bnlint reads up to 1"),
        ("[]", "is not a baseline file"),
        ('{"version": 1}', "is not a baseline file"),
        ('{"version": 1, "findings": [{"rule": "BN1"}]}', "an entry is not complete"),
        ('{"version": 1, "findings": [3]}', "an entry is not complete"),
        ('{"version": 1,\n<<<<<<< HEAD\n', "b.json:2:1: not valid JSON"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_baseline(tmp_path / "b.json")


def test_a_missing_file_and_a_folder_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bnlint baseline write"):
        read_baseline(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_entries(tmp_path / "no" / "b.json", (), "x")


def test_only_the_fingerprint_of_an_entry_counts() -> None:
    entries = tuple(replace(e, message="told differently") for e in entries_of(_findings("a"), str))
    assert _compare(_findings("a"), entries).new == ()
