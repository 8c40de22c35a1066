"""What users read keeps to plain English: habits that made readers stumble do not return."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HABITS = {
    r"\bhangs? on\b": "depends on",
    r"\bstands? (?:before|after|behind|twice|still|so|at)\b": "comes before, follows, is at",
    r"\b(?:is|are) told\b": "is reported",
    r"\banew\b": "again",
    r"\bmade[ -]up\b": "guessed, random",
    r"\bsisters?\b": "sibling layers",
    r"\ba share of 1\b": "100 %",
    r"\bseldom\b": "rarely",
    r"\bat hand\b": "available",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bno part of\b": "not a submodule of",
    r"\bin spite of\b": "even if",
    r"\bh[eo]ld(?:s|ing)? (?:nothing )?back\b": "hide",
    r"(?<!color-)\bblind\b": "could not be checked",
    r"\bnot seen whole\b": "only partly traced",
    r"normalis|initialis|optimis|recognis": "American spelling: normalize, initialize",
}
"""Words that don't return, and what is said instead."""

_NAMES = re.compile(
    r"`[^`\n]*`|\$?[\w.]*sisters[\w-]*|(?:vanishing|exploding)-by-initialisation|unnormalised-input"
    r"|normalised-before|self-normalising"
)
"""Code, and names of rules and facts that programs rely on."""


def prose() -> Iterator[tuple[str, str]]:
    """Every text that users read, with where it is from."""
    for path in sorted(ROOT.glob("rules/*.yaml")):
        for where, text in _strings(yaml.safe_load(path.read_text("utf-8"))):
            yield f"{path.name} {where}", text
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))):
        yield path.name, re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.S | re.M)
    for path in sorted(ROOT.glob("bnlint/**/*.py")):
        for line, text in _literals(path):
            yield f"{path.relative_to(ROOT)}:{line}", text


def _strings(value: object, where: str = "") -> Iterator[tuple[str, str]]:
    """The texts of a rule; its examples are code, and their titles are texts."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if where.endswith((" bad", " good", "prelude")) or key in ("match", "where", "fix"):
                continue
            yield from _strings(inner, f"{where} {key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, where)


def _literals(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module that read like a sentence: messages, help, docstrings."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


@pytest.mark.parametrize("habit", HABITS)
def test_habits_do_not_return(habit: str) -> None:
    found = [
        f"{where}: {match[0]!r}"
        for where, text in prose()
        for match in re.finditer(habit, _NAMES.sub("", text), re.IGNORECASE)
    ]
    assert found == [], f"say {HABITS[habit]!r} instead"


def test_messages_name_layers_with_their_class() -> None:
    """``{x.path}`` writes path and class; nothing in a message names a layer without it."""
    for path in sorted(ROOT.glob("rules/*.yaml")):
        text = path.read_text("utf-8")
        for message in re.findall(r'message: "((?:[^"\\]|\\.)*)"', text):
            assert not re.search(r"\.(?:class|kind)\}", message), f"{path.name}: {message}"


def test_messages_are_short_sentences() -> None:
    for path in sorted(ROOT.glob("rules/*.yaml")):
        for message in re.findall(r'message: "((?:[^"\\]|\\.)*)"', path.read_text("utf-8")):
            assert ";" not in message, f"{path.name}: {message}"
