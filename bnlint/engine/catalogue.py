"""The rules of a run: found on disk, read, selected, weighed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.domain.errors import Mistake, RuleError, UsageError
from bnlint.domain.finding import Severity
from bnlint.domain.phrases import did_you_mean
from bnlint.findings.suppress import OWN_RULES

if TYPE_CHECKING:
    from bnlint.domain.rule import Rule

LINTER_RULES: Mapping[str, str] = OWN_RULES
"""Rules without a file: the linter's own."""

EVERYTHING = "all"
"""The word, in lower case, that means every rule."""

PACKAGE = Path(__file__).resolve().parent.parent
SUFFIXES = (".yaml", ".yml")


def built_in_folder(package: Path = PACKAGE) -> Path:
    """Where the built-in rules lie: inside the package of a wheel, beside it in a checkout."""
    for folder in (package / "rules", package.parent / "rules"):
        if next(folder.glob("BN*.yaml"), None) is not None:
            return folder
    raise UsageError(f"the built-in rules are missing: no BN*.yaml in {package / 'rules'}")


def built_in_files() -> tuple[Path, ...]:
    """The built-in rule files, by name."""
    return tuple(sorted(built_in_folder().glob("BN*.yaml")))


def rule_files(patterns: Iterable[str], root: Path) -> tuple[Path, ...]:
    """The rule files that ``patterns`` name: files, folders or globs, relative to ``root``.

    Raises :class:`UsageError` for every pattern that names none.
    """
    found = {pattern: _files_of(pattern, root) for pattern in patterns}
    hint = "pass a .yaml file, a folder that contains some, or a glob"
    missing = [
        Mistake(f"no rule file at {pattern!r}", hint=hint)
        for pattern, files in found.items()
        if not files
    ]
    if missing:
        raise UsageError(*missing)
    return tuple(dict.fromkeys(file for files in found.values() for file in files))


def _files_of(pattern: str, root: Path) -> list[Path]:
    path = root / pattern
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES)
    if path.is_file():
        return [path]
    if not has_magic(pattern):
        return []
    return sorted(p for p in map(Path, glob(str(path), recursive=True)) if p.is_file())


def load_rules(paths: Iterable[Path]) -> tuple[Rule, ...]:
    """The rules in ``paths``, by id; raises :class:`RuleError` with the mistakes of all files."""
    # A run on unchanged files has its rules compiled in the cache, and never loads the parser.
    from bnlint.engine.rule_file import parse_rule

    rules: list[Rule] = []
    mistakes: list[Mistake] = []
    for path in paths:
        try:
            rules.append(parse_rule(path.read_text(encoding="utf-8"), str(path)))
        except (OSError, UnicodeDecodeError) as error:
            mistakes.append(Mistake(f"cannot read the rule file {path}: {error}"))
        except RuleError as error:
            mistakes += error.mistakes
    if mistakes:
        raise RuleError(*mistakes)
    return _merged(rules)


def _merged(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules by id; an error where two share an id or a name and are no forms of one rule."""
    by_word: dict[str, Rule] = {}
    mistakes: list[Mistake] = []
    kept = _with_forms(rules)
    for rule in kept:
        for word in (rule.id, rule.name):
            other = by_word.setdefault(word, rule)
            if other is not rule:
                place = other.location.path if other.location else "another file"
                mistakes.append(Mistake(f"{word!r} is taken by {place}", rule.location))
            elif word in LINTER_RULES or word in LINTER_RULES.values():
                mistakes.append(Mistake(f"{word!r} is one of bnlint's own", rule.location))
    if mistakes:
        raise RuleError(*mistakes)
    return tuple(kept)


def _with_forms(rules: Iterable[Rule]) -> list[Rule]:
    """The rules by id; files that share id and name, and say which form they are, are one rule."""
    kept: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (rule.id, rule.form)):
        first = kept[-1] if kept else None
        if first is not None and rule.form and (first.id, first.name) == (rule.id, rule.name):
            kept[-1] = replace(first, forms=(*first.forms, rule))
        else:
            kept.append(rule)
    return kept


def select_rules(
    rules: Sequence[Rule],
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    severities: Mapping[str, str] | None = None,
    extend: Iterable[str] = (),
) -> tuple[Rule, ...]:
    """The rules to run, with the user's severities.

    Words are ids, prefixes of ids, names or ``ALL``. Those of ``extend`` are selected too, without
    leaving out what runs by default. A rule that is off by default runs when it is asked for by its
    own id or name, by a severity, or by ``ALL``. Raises :class:`UsageError` for every unknown word
    and severity.
    """
    weights = severities or {}
    select, ignore, extend = tuple(select), tuple(ignore), tuple(extend)
    unknown = unknown_words((*select, *extend, *ignore, *weights), rules)
    if unknown:
        raise UsageError(*(Mistake(said, hint=hint) for said, hint in unknown.values()))
    _check_severities(weights)
    words, wanted = {*select, *extend, *weights}, selection(select, extend)
    everything = any(word.lower() == EVERYTHING for word in (*select, *extend))
    chosen = (
        _weighed(rule, weights)
        for rule in rules
        if asked_for(rule.id, rule.name, wanted, ignore)
        and (rule.enabled or everything or not words.isdisjoint((rule.id, rule.name)))
    )
    return tuple(filter(None, chosen))


def selection(select: Iterable[str], extend: Iterable[str]) -> tuple[str, ...]:
    """The words of both, or none if nothing is selected: the default is not narrowed by more."""
    chosen = tuple(select)
    return (*chosen, *extend) if chosen else ()


def unknown_words(words: Iterable[str], rules: Iterable[Rule]) -> Mapping[str, tuple[str, str]]:
    """What to say of each word that means no rule, and a suggestion."""
    known = {rule.id: rule.name for rule in rules} | dict(LINTER_RULES)
    return {
        word: (f"no rule is called {word!r}", did_you_mean(word, (*known, *known.values())))
        for word in dict.fromkeys(words)
        if not any(means(word, id, name) for id, name in known.items())
    }


def means(word: str, id: str, name: str) -> bool:
    """True when ``word`` is the id, a prefix of it, the name, or ``ALL``."""
    return bool(word) and (id.startswith(word) or word == name or word.lower() == EVERYTHING)


def asked_for(id: str, name: str, select: Sequence[str], ignore: Sequence[str]) -> bool:
    """True when a rule is selected (or nothing is), and not ignored."""
    if any(means(word, id, name) for word in ignore):
        return False
    return not select or any(means(word, id, name) for word in select)


def _check_severities(weights: Mapping[str, str]) -> None:
    known = (*(s.value for s in Severity), "off")
    wrong = [
        Mistake(f"the severity of {word} cannot be {weight!r}", hint=did_you_mean(weight, known))
        for word, weight in weights.items()
        if weight not in known
    ]
    if wrong:
        raise UsageError(*wrong)


def _weighed(rule: Rule, weights: Mapping[str, str]) -> Rule | None:
    """The rule at the user's severity; the most exact word wins. None when it is off."""
    weight = weight_of(rule.id, rule.name, weights)
    if weight == "off":
        return None
    return _at(rule, Severity(weight)) if weight else rule


def weight_of(id: str, name: str, weights: Mapping[str, str]) -> str:
    """The user's severity for a rule, by the most exact word; nothing where there is none."""
    fitting = [word for word in weights if means(word, id, name)]
    exactness = [(w in (id, name), w.lower() != EVERYTHING, len(w), w) for w in fitting]
    return weights[max(exactness)[-1]] if exactness else ""


def _at(rule: Rule, severity: Severity) -> Rule:
    """The rule, in all of its forms, at one severity that nothing lowers."""
    convention = rule.convention and replace(rule.convention, severity=None)
    forms = tuple(_at(form, severity) for form in rule.forms)
    return replace(rule, severity=severity, downgrade=(), convention=convention, forms=forms)
