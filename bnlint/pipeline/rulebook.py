"""The rules of a run: read, compiled once and kept, selected for each file, and explained."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.cache import Store, digest, own_code
from bnlint.config import Settings
from bnlint.config.option import PerFile
from bnlint.domain.codec import decode, encode
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Severity
from bnlint.domain.phrases import did_you_mean
from bnlint.engine.catalogue import (
    LINTER_RULES,
    asked_for,
    built_in_files,
    load_rules,
    rule_files,
    select_rules,
    weight_of,
)
from bnlint.pipeline.check_words import check_settings

if TYPE_CHECKING:
    from bnlint.domain.rule import Rule
    from bnlint.report import RuleInfo


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The files that hold the rules of a run, and a digest of what is in them."""

    files: tuple[Path, ...]
    digest: str

    def load(self, settings: Settings, store: Store) -> RuleSet:
        """The rules, compiled or from the store, once they are asked for."""
        return RuleSet(partial(self._read, store), settings)

    def _read(self, store: Store) -> tuple[Rule, ...]:
        key = digest("rules", own_code(), self.digest)
        kept = store.get(key)
        if kept is not None:
            from bnlint.domain.rule import Rule

            return decode(tuple[Rule, ...], json.loads(kept))
        rules = _compiled(self.files, self.digest)
        store.put(key, json.dumps(encode(rules)).encode())
        return rules


@lru_cache(maxsize=8)
def _compiled(files: tuple[Path, ...], state: object) -> tuple[Rule, ...]:
    """The rules in ``files``, compiled once in this process while their ``state`` is the same."""
    return load_rules(files)


class RuleSet:
    """All rules that are known, and those to run.

    They are read when they are first asked for: a run on unchanged files needs none.
    """

    def __init__(self, read: Callable[[], tuple[Rule, ...]], settings: Settings) -> None:
        self.settings = settings
        self._read = read
        self._by_override: dict[tuple[int, ...], tuple[Rule, ...]] = {}

    @cached_property
    def known(self) -> tuple[Rule, ...]:
        """Every rule; raises an error where a rule file, or a word that names rules, is wrong."""
        known = self._read()
        check_settings(self.settings, known)
        return known

    @cached_property
    def chosen(self) -> tuple[Rule, ...]:
        """The rules to run where no file is an exception."""
        s = self.settings
        return select_rules(self.known, s.select, s.ignore, s.severity)

    def check(self) -> None:
        """Nothing where all rule files, and all words that name rules, mean something.

        Raises
        ------
        RuleError, ConfigError, UsageError
            With all that is wrong.

        """
        _ = self.known

    def for_file(self, rooted: str) -> tuple[Rule, ...]:
        """The rules to run on the file at a path relative to the root."""
        s = self.settings
        fitting = tuple(i for i, o in enumerate(s.per_file) if _fits(o, rooted))
        if not fitting:
            return self.chosen
        if fitting not in self._by_override:
            ignore, severity = self._overridden(rooted)
            self._by_override[fitting] = select_rules(self.known, s.select, ignore, severity)
        return self._by_override[fitting]

    @property
    def names(self) -> Mapping[str, str]:
        """The name of every rule by its id, the linter's own among them."""
        return _Names(self)

    def run_on(self, rooted: str) -> frozenset[str]:
        """The ids of all rules that run on a file, the linter's own among them."""
        return frozenset((*(rule.id for rule in self.for_file(rooted)), *self.own(rooted)))

    def own(self, rooted: str = "") -> Mapping[str, Severity]:
        """The severities of the linter's own rules in a file; a missing one is off."""
        ignore, weights = self._overridden(rooted)
        found: dict[str, Severity] = {}
        for id_, name in LINTER_RULES.items():
            if not asked_for(id_, name, self.settings.select, ignore):
                continue
            weight = weight_of(id_, name, weights) or "warning"
            if weight != "off":
                found[id_] = Severity(weight)
        return found

    def _overridden(self, rooted: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """What is ignored in a file, and what weighs otherwise."""
        s = self.settings
        overrides = [o for o in s.per_file if _fits(o, rooted)]
        severity = dict(s.severity)
        for override in overrides:
            severity.update(override.severity)
        return (*s.ignore, *(word for o in overrides for word in o.ignore)), severity


class _Names(Mapping[str, str]):
    """The names of rules by their ids; the rules are read when one is looked up."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules

    @cached_property
    def _names(self) -> dict[str, str]:
        return {rule.id: rule.name for rule in self._rules.known} | dict(LINTER_RULES)

    def __getitem__(self, id_: str) -> str:
        return self._names[id_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_rule_files(settings: Settings) -> RuleFiles:
    """The built-in rule files and the user's, with a digest; nothing is parsed yet."""
    files = _files(settings)
    texts = [part for file in files for part in (str(file), file.read_bytes())]
    return RuleFiles(files, digest(*texts))


def compiled_rules(settings: Settings) -> RuleSet:
    """The rules for live models: files are read again only where their size or time has changed.

    Raises
    ------
    RuleError, UsageError
        When a rule file, or a word of the settings that should name a rule, is wrong.

    """
    files = _files(settings)
    stamps = tuple((s.st_mtime_ns, s.st_size, s.st_ino) for s in map(os.stat, files))
    return RuleSet(partial(_compiled, files, stamps), settings)


def _files(settings: Settings) -> tuple[Path, ...]:
    return (*built_in_files(), *rule_files(settings.rules, Path(settings.root)))


def _fits(override: PerFile, rooted: str) -> bool:
    return fnmatch(rooted, override.glob)


def known_rules(settings: Settings) -> tuple[Rule, ...]:
    """Every rule of the run: bnlint's and the user's, by id."""
    return _rule_set(settings).known


def _explained(settings: Settings) -> tuple[Rule, ...]:
    """Every rule that has a page, the linter's own among them."""
    from bnlint.engine.explain import OWN_RULES

    return (*known_rules(settings), *OWN_RULES)


def _rule_set(settings: Settings) -> RuleSet:
    store = Store(Path(settings.cache_dir) if settings.cache else None)
    return read_rule_files(settings).load(settings, store)


def explain(settings: Settings, word: str) -> str:
    """The page of the rule with this id or name; raises UsageError for an unknown one."""
    from bnlint.engine.explain import explain as page

    rules = _explained(settings)
    found = [r for r in rules if word.upper() == r.id or word.lower() == r.name]
    if not found:
        words = [w for r in rules for w in (r.id, r.name)]
        raise UsageError(Mistake(f"no rule is called '{word}'", hint=did_you_mean(word, words)))
    return page(found[0])


def rule_infos(settings: Settings) -> Mapping[str, RuleInfo]:
    """What formats show about each rule, by id."""
    return {rule.id: _info(rule) for rule in _explained(settings)}


def weights(settings: Settings) -> Mapping[str, str]:
    """What each rule weighs in a run with these settings, by id: a severity, or off."""
    rules = _rule_set(settings)
    run = {rule.id: rule.severity for rule in rules.chosen} | dict(rules.own())
    return {id_: run[id_].value if id_ in run else "off" for id_ in rules.names}


def _info(rule: Rule) -> RuleInfo:
    from bnlint.report import RuleInfo

    docs = rule.docs
    return RuleInfo(
        rule.id,
        rule.name,
        rule.severity,
        rule.summary,
        docs.why,
        docs.evidence,
        docs.instead,
        docs.references,
        rule.enabled,
    )
