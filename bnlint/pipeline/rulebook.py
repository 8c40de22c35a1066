"""The rules of a run: read, compiled once and kept, selected for each file, described."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.cache import Store, digest, load, own_code, save
from bnlint.config import Settings
from bnlint.config.load import refuse
from bnlint.config.option import Complaint
from bnlint.domain.finding import Severity
from bnlint.domain.phrases import did_you_mean
from bnlint.engine.catalogue import (
    LINTER_RULES,
    asked_for,
    built_in_files,
    load_rules,
    rule_files,
    select_rules,
    selection,
    unknown_words,
    weight_of,
)
from bnlint.pipeline.measured import is_metric, metric_names

if TYPE_CHECKING:
    from bnlint.domain.rule import Rule
    from bnlint.report import RuleInfo


class RuleSet:
    """All rules that are known, and those to run; ``digest`` is that of the rule files.

    They are read when they are first needed: a run on unchanged files needs none.
    """

    def __init__(
        self, settings: Settings, read: Callable[[], tuple[Rule, ...]], digest: str = ""
    ) -> None:
        self.settings = settings
        self.digest = digest
        self._read = read
        self._chosen: dict[tuple[int, ...], tuple[Rule, ...]] = {}

    @cached_property
    def known(self) -> tuple[Rule, ...]:
        """Every rule; raises an error where a rule file, or a word of the settings, is wrong."""
        known = self._read()
        check_settings(self.settings, known)
        return known

    def for_file(self, rooted: str) -> tuple[Rule, ...]:
        """The rules to run on the file at a path relative to the root."""
        return self.chosen(self._exceptions(rooted))

    def chosen(self, exceptions: tuple[int, ...] = ()) -> tuple[Rule, ...]:
        """The rules to run where these entries of ``per-file`` apply."""
        if exceptions not in self._chosen:
            ignore, weights = self._words(exceptions)
            select, more = self.settings.select, _of_rules(self.settings.extend_select)
            words = _of_rules(select)
            if select and not words:  # metrics alone, and no rule but those that come in addition
                words, more = more, ()
            known = self.known if words or not select else ()
            weights = {w: weights[w] for w in _of_rules(weights)}
            chosen = select_rules(known, words, _of_rules(ignore), weights, more)
            self._chosen[exceptions] = chosen
        return self._chosen[exceptions]

    @property
    def names(self) -> Mapping[str, str]:
        """The name of every rule by its id, the linter's own among them."""
        return _Names(self)

    def run_on(self, rooted: str) -> frozenset[str]:
        """The ids of all rules that run on a file, the linter's own among them."""
        return frozenset((*(rule.id for rule in self.for_file(rooted)), *self.own(rooted)))

    def own(self, rooted: str = "") -> Mapping[str, Severity]:
        """The severities of the linter's own rules in a file; a missing one is off."""
        ignore, weights = self._words(self._exceptions(rooted))
        select = selection(self.settings.select, self.settings.extend_select)
        found = {
            id_: weight_of(id_, name, weights) or "warning"
            for id_, name in LINTER_RULES.items()
            if asked_for(id_, name, select, ignore)
        }
        return {id_: Severity(weight) for id_, weight in found.items() if weight != "off"}

    def _exceptions(self, rooted: str) -> tuple[int, ...]:
        entries = enumerate(self.settings.per_file)
        return tuple(n for n, entry in entries if fnmatch(rooted, entry.glob))

    def _words(self, exceptions: tuple[int, ...]) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """What is ignored, and the severities, where these entries of ``per-file`` apply."""
        ignore, weights = [*self.settings.ignore], {**self.settings.severity}
        for entry in (self.settings.per_file[n] for n in exceptions):
            ignore += entry.ignore
            weights |= entry.severity
        return tuple(ignore), weights


class _Names(Mapping[str, str]):
    """The names of rules by their ids; the rules are read when one is looked up."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules

    @cached_property
    def _names(self) -> dict[str, str]:
        own = dict(LINTER_RULES) | dict(metric_names())
        return {rule.id: rule.name for rule in self._rules.known} | own

    def __getitem__(self, id_: str) -> str:
        return self._names[id_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _of_rules(words: Iterable[str]) -> tuple[str, ...]:
    """The words without those that mean metrics of the probe."""
    return tuple(word for word in words if not is_metric(word))


def read_rules(settings: Settings, store: Store) -> RuleSet:
    """The built-in rules and the user's: their files are read, but nothing is parsed yet."""
    files = _files(settings)
    state = digest(*(part for file in files for part in (str(file), file.read_bytes())))
    return RuleSet(settings, partial(_kept, files, state, store), state)


def live_rules(settings: Settings) -> RuleSet:
    """The rules for live models: files are read again only where their size or time has changed."""
    files = _files(settings)
    stamps = tuple((s.st_mtime_ns, s.st_size, s.st_ino) for s in map(os.stat, files))
    return RuleSet(settings, partial(_compiled, files, stamps))


def _files(settings: Settings) -> tuple[Path, ...]:
    return (*built_in_files(), *rule_files(settings.rules, Path(settings.root)))


def _kept(files: tuple[Path, ...], state: str, store: Store) -> tuple[Rule, ...]:
    from bnlint.domain.rule import Rule

    key = digest("rules", own_code(), state)
    kept = load(store, key, tuple[Rule, ...])
    if kept is not None:
        return kept
    rules = _compiled(files, state)
    save(store, key, rules)
    return rules


@lru_cache(maxsize=8)
def _compiled(files: tuple[Path, ...], state: object) -> tuple[Rule, ...]:
    """The rules in ``files``, compiled once in this process while their ``state`` is the same."""
    return load_rules(files)


def check_settings(settings: Settings, known: Iterable[Rule]) -> None:
    """Raise ConfigError or UsageError with every word that means no rule and no kind of layer."""
    refuse(settings, [*_about_rules(settings, tuple(known)), *_about_layers(settings)])


def check_layers(settings: Settings) -> None:
    """Raise ConfigError or UsageError with every unknown kind of layer."""
    refuse(settings, list(_about_layers(settings)))


def _about_rules(settings: Settings, known: tuple[Rule, ...]) -> Iterator[Complaint]:
    words = list(_rule_words(settings))
    unknown = unknown_words((word for _, word in words), known)
    for path, word in words:
        if word in unknown and not is_metric(word):
            yield Complaint(path, *unknown[word], word)


def _rule_words(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every word that should name rules, and the keys of the config file that lead to it."""
    yield from ((("select",), word) for word in settings.select)
    yield from ((("extend-select",), word) for word in settings.extend_select)
    yield from ((("ignore",), word) for word in settings.ignore)
    yield from ((("severity", word), word) for word in settings.severity)
    for each in settings.per_file:
        yield from ((("per-file", each.glob, "ignore"), word) for word in each.ignore)
        yield from ((("per-file", each.glob, "severity", word), word) for word in each.severity)


def _about_layers(settings: Settings) -> Iterator[Complaint]:
    if not settings.layers:
        return
    from bnlint.layers.table import kinds

    known = kinds()
    for name, kind in settings.layers:
        if kind not in known:
            hint = did_you_mean(kind, known) or "`bnlint NET.py --graph` shows the kinds of layers"
            yield Complaint(("layers", name), f"{name!r} has the unknown kind {kind!r}", hint, kind)


def known_rules(settings: Settings) -> tuple[Rule, ...]:
    """Every rule of the run: bnlint's and the user's, by id."""
    return _rules(settings).known


def rule_infos(settings: Settings) -> Mapping[str, RuleInfo]:
    """What formats show about each rule, by id."""
    return {rule.id: _info(rule) for rule in explained_rules(settings)}


def weights(settings: Settings) -> Mapping[str, str]:
    """The severity of each rule in a run with these settings, or ``off``, by id."""
    rules = _rules(settings)
    run = {rule.id: rule.severity for rule in rules.chosen()} | dict(rules.own())
    return {id_: run[id_].value if id_ in run else "off" for id_ in rules.names}


def _rules(settings: Settings) -> RuleSet:
    return read_rules(settings, Store(Path(settings.cache_dir) if settings.cache else None))


def explained_rules(settings: Settings) -> tuple[Rule, ...]:
    """Every rule that has a page, the linter's own among them."""
    from bnlint.engine.explain import OWN_RULES

    return (*known_rules(settings), *OWN_RULES)


def _info(rule: Rule) -> RuleInfo:
    from bnlint.report import RuleInfo

    docs = (rule.docs.why, rule.docs.evidence, rule.docs.instead, rule.docs.references)
    return RuleInfo(rule.id, rule.name, rule.severity, rule.summary, *docs, rule.enabled)
