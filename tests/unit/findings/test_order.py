from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bnlint.domain.finding import Finding, Severity
from bnlint.domain.graph import Location
from bnlint.findings.order import fingerprinted, grouped, ordered


def _finding(layer: str, model: str = "Net", line: int = 1, rule: str = "BN301") -> Finding:
    at = Location("net.py", line, 9)
    return Finding(rule, "name", Severity.WARNING, f"{layer} is off", at, model, layer)


def test_one_line_is_one_entry_that_counts_and_names_a_few() -> None:
    layers = [_finding(f"convs.{n}") for n in (10, 2, 0, 1, 3)]
    (entry,) = grouped(layers)
    assert entry.count == 5
    assert entry.layer == "convs.0"
    assert entry.message == (
        "convs.0 is off (the same line also builds `convs.1`, `convs.2`, `convs.3` and 1 more)"
    )


def test_models_that_share_a_block_are_named() -> None:
    (entry,) = grouped([_finding("block.conv", "A"), _finding("block.conv", "B")])
    assert (entry.count, entry.model) == (2, "A")
    assert entry.message == "block.conv is off (the same line also builds `block.conv` of B)"


def test_rules_lines_and_severities_stay_apart() -> None:
    findings = [
        _finding("a"),
        _finding("b", line=2),
        _finding("c", rule="BN101"),
        replace(_finding("d"), severity=Severity.INFO),
    ]
    assert len(grouped(findings)) == 4


def test_an_entry_names_the_others_that_it_stands_for() -> None:
    found = [_finding("a.1", "B"), _finding("a.0", "A"), _finding("a.1", "A"), _finding("a.0", "A")]
    (entry,) = grouped(found)
    assert entry.layer == "a.0"
    assert entry.also == (("A", "a.1"), ("B", "a.1"))


_FINDINGS = st.lists(
    st.builds(
        _finding,
        st.sampled_from(["a.0", "a.1", "a.10", "b"]),
        st.sampled_from(["A", "B"]),
        st.integers(1, 3),
        st.sampled_from(["BN1", "BN2"]),
    )
)


@given(_FINDINGS, st.randoms())
def test_the_order_of_arrival_never_shows(findings: list[Finding], chance: random.Random) -> None:
    shuffled = list(findings)
    chance.shuffle(shuffled)
    assert grouped(findings) == grouped(shuffled)
    assert ordered(findings) == ordered(shuffled)
    assert sum(f.count for f in grouped(findings)) == len(findings)


def test_fingerprints_survive_edits_above_and_tell_repetitions_apart() -> None:
    same = [_finding("a", line=1), _finding("a", line=5)]
    first, second = fingerprinted(same, str)
    assert first.fingerprint != second.fingerprint
    moved = fingerprinted([replace(f, location=Location("net.py", 90)) for f in same], str)
    assert [f.fingerprint for f in moved] == [first.fingerprint, second.fingerprint]
    assert len(first.fingerprint) == 32


def test_fingerprints_follow_rule_file_model_and_layer() -> None:
    kinds = [_finding("a"), _finding("b"), _finding("a", "Other"), _finding("a", rule="BN1")]
    elsewhere = replace(_finding("a"), location=Location("other.py", 1))
    prints = {f.fingerprint for f in fingerprinted([*kinds, elsewhere], str)}
    assert len(prints) == 5


def test_a_model_with_guessed_arguments_gives_way_to_one_without() -> None:
    guessed = replace(_finding("a", "A"), severity=Severity.INFO, guessed=True)
    (entry,) = grouped([guessed, _finding("a", "B")])
    assert (entry.model, entry.severity, entry.guessed) == ("B", Severity.WARNING, False)
    assert grouped([guessed]) == (guessed,)
