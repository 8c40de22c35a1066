"""Words of the settings that only the rules, and the kinds of layers, can judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bnlint.config import Settings
from bnlint.config.load import refuse
from bnlint.config.option import Complaint
from bnlint.domain.phrases import did_you_mean
from bnlint.engine.catalogue import unknown_words

if TYPE_CHECKING:
    from bnlint.domain.rule import Rule


def check_settings(settings: Settings, known: Iterable[Rule]) -> None:
    """Nothing where every word of the settings means something.

    Raises
    ------
    ConfigError, UsageError
        With every word that means no rule and no kind of layer, at its place.

    """
    refuse(settings, [*_about_rules(settings, tuple(known)), *_about_layers(settings)])


def check_layers(settings: Settings) -> None:
    """Nothing where every kind of layer is known; raises ConfigError or UsageError."""
    refuse(settings, list(_about_layers(settings)))


def _about_rules(settings: Settings, known: tuple[Rule, ...]) -> Iterator[Complaint]:
    words = list(_words(settings))
    unknown = unknown_words((word for _, word in words), known)
    for path, word in words:
        if word in unknown:
            yield Complaint(path, *unknown[word], word)


def _words(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every word that should name rules, and the keys of the config file that lead to it."""
    yield from ((("select",), word) for word in settings.select)
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
