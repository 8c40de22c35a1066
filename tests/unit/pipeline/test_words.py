from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bnlint.config import load_settings
from bnlint.domain.errors import BnlintError, ConfigError, UsageError
from bnlint.pipeline.rulebook import check_layers, check_settings
from tests.unit.engine.rule_texts import rule_of

RULES = (
    replace(rule_of(), id="XX101", name="first-rule"),
    replace(rule_of(), id="XX102", name="second-rule"),
)
KNOWN = (
    "known: BN900, BN901, XX101, XX102, first-rule, second-rule, suppression-without-rule, "
    "unused-suppression"
)
CONFIG = """\
select = ["XX1", "XX9"]
ignore = "frist-rule"

[severity]
XX777 = "error"

[per-file]
"tests/*.py" = {ignore = ["second-rul"], severity = {XX102 = "info", YY = "off"}}

[layers]
"acme.Norm" = "batchnorm9d"
"acme.Conv" = "depthwise"
"acme.Good" = "batchnorm2d"
"""


def _said(folder: Path, config: str, **given: object) -> tuple[type[BnlintError], list[str]]:
    (folder / "bnlint.toml").write_text(config, encoding="utf-8")
    settings = load_settings({"paths": [], **given}, folder)
    with pytest.raises(BnlintError) as error:
        check_settings(settings, RULES)
    places = [
        (m.location.line, m.location.column) if m.location else () for m in error.value.mistakes
    ]
    words = [f"{m.message} {m.hint}".strip() for m in error.value.mistakes]
    return type(error.value), [f"{place} {text}" for place, text in zip(places, words, strict=True)]


def test_all_words_that_mean_nothing_are_told_at_once_each_at_its_place(tmp_path: Path) -> None:
    kind, said = _said(tmp_path, CONFIG)
    assert kind is ConfigError
    assert said == [
        f"(1, 18) no rule is called 'XX9' {KNOWN}",
        "(2, 10) no rule is called 'frist-rule' did you mean 'first-rule'?",
        f"(5, 1) no rule is called 'XX777' {KNOWN}",
        "(8, 27) no rule is called 'second-rul' did you mean 'second-rule'?",
        f"(8, 70) no rule is called 'YY' {KNOWN}",
        "(11, 15) 'acme.Norm' has the unknown kind 'batchnorm9d' did you mean 'batchnorm3d'?",
        "(12, 15) 'acme.Conv' has the unknown kind 'depthwise' "
        "`bnlint NET.py --graph` shows the kinds of layers",
    ]


def test_a_word_of_the_command_line_is_told_with_its_option(tmp_path: Path) -> None:
    kind, said = _said(tmp_path, 'ignore = ["XX102"]\n', ignore=["first-rul"], select=["YY"])
    assert kind is UsageError
    assert said[1] == "() --ignore: no rule is called 'first-rul' did you mean 'first-rule'?"
    assert said[0].startswith("() --select: no rule is called 'YY'")


def test_known_words_pass(tmp_path: Path) -> None:
    (tmp_path / "bnlint.toml").write_text('[layers]\n"a.B" = "kernel"\n', encoding="utf-8")
    settings = load_settings({"paths": [], "select": ["BN9", "first-rule"]}, tmp_path)
    check_settings(settings, RULES)
    check_layers(settings)
