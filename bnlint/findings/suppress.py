"""Findings suppressed by comments, and comments that suppress nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from bnlint.domain.finding import Finding, Severity
from bnlint.domain.graph import Location
from bnlint.findings.comments import Comment, ignore_comments, mistaken_comments

UNUSED, BARE = "BN900", "BN901"
OWN_RULES = {UNUSED: "unused-suppression", BARE: "suppression-without-rule"}
"""The names of the rules about comments themselves, by id; they have no file."""


def _warnings(_: str) -> Mapping[str, Severity]:
    return {UNUSED: Severity.WARNING, BARE: Severity.WARNING}


@dataclass(frozen=True, slots=True)
class RuleNames:
    """What a comment may name: the rules by id, with their names.

    ``own`` returns the severities of BN900 and BN901 in a file; a missing one is off.
    """

    known: Mapping[str, str]
    own: Callable[[str], Mapping[str, Severity]] = _warnings

    def ids(self, pattern: str) -> frozenset[str]:
        """The rules that a comment means by an id, the start of one, or a name."""
        wanted = pattern.strip()
        exact = {i for i, name in self.known.items() if wanted.upper() == i or wanted == name}
        if exact or not wanted:
            return frozenset(exact)
        return frozenset(i for i in self.known if i.startswith(wanted.upper()))


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The findings that are kept, those about comments included, and how many are suppressed.

    ``count`` counts places: a line that builds sixteen layers is one, as in the report.
    """

    kept: tuple[Finding, ...]
    count: int


def suppress(
    findings: Iterable[Finding],
    text_of: Callable[[str], str | None],
    decided: Mapping[str, Collection[str]],
    names: RuleNames,
) -> Suppressed:
    """The findings without those that a comment covers, and with those about useless comments.

    ``text_of`` returns the text of a file by the path that locations use, None when there is none.
    ``decided`` are the files of which every model was checked, each with the rules that decided
    everything there: only a comment that names those can be called unused.
    A bare comment suppresses every finding it covers, and is reported for that (BN901).
    """
    used = _Suppressions(text_of, names)
    kept: list[Finding] = []
    gone: set[tuple[object, ...]] = set()
    for finding in findings:
        if used.holds_back(finding):
            at = finding.location
            gone.add((finding.rule, at.path, at.line, at.column))
        else:
            kept.append(finding)
    for path in sorted(decided):
        kept += _about(path, used, names, decided[path])
    return Suppressed(tuple(kept), len(gone))


class _Suppressions:
    """The comments of every file with findings, and which of their words suppressed one."""

    def __init__(self, text_of: Callable[[str], str | None], names: RuleNames) -> None:
        self._text_of = text_of
        self._names = names
        self._comments: dict[str, tuple[Comment, ...]] = {}
        self.met: set[tuple[str, int, str]] = set()

    def comments(self, path: str) -> tuple[Comment, ...]:
        """The comments of a file."""
        if path not in self._comments:
            self._comments[path] = ignore_comments(self.text(path))
        return self._comments[path]

    def text(self, path: str) -> str:
        """The text of a file, empty where there is none."""
        return self._text_of(path) or ""

    def holds_back(self, finding: Finding) -> bool:
        """True when a comment at one of the finding's lines names its rule, or is bare."""
        held = False
        for place in (finding.location, *finding.anchors):
            for comment in self.comments(place.path):
                if comment.covers(place):
                    held |= self._names_rule(comment, finding.rule, place.path)
        return held

    def _names_rule(self, comment: Comment, rule: str, path: str) -> bool:
        words = [w for w in comment.rules if rule in self._names.ids(w)]
        self.met |= {(path, comment.line, word) for word in words}
        return bool(words) or not comment.rules


def _about(
    path: str, used: _Suppressions, names: RuleNames, decided: Collection[str]
) -> Iterable[Finding]:
    """Findings about the comments of one file."""
    own = names.own(path)
    for line, column, word in mistaken_comments(used.text(path)):
        said = f"'{word}' holds nothing back; write # bnlint: ignore[BN301] or # bnlint: skip-file"
        yield from _own(UNUSED, said, Location(path, line, column), own)
    for comment in used.comments(path):
        if not comment.rules:
            yield from _own(
                BARE,
                "this comment hides every rule here; name the ones you mean: "
                "# bnlint: ignore[BN301] -- reason",
                Location(path, comment.line, comment.column),
                own,
            )
        for word in comment.rules:
            if (path, comment.line, word) not in used.met and (
                why := _useless(word, names, decided)
            ):
                yield from _own(UNUSED, why, Location(path, comment.line, comment.column), own)


def _useless(word: str, names: RuleNames, decided: Collection[str]) -> str:
    """Why a word that suppressed nothing is useless; empty when that is unknown."""
    ids = names.ids(word)
    if not ids:
        return f"no rule is called '{word}'"
    return f"nothing here is held back by '{word}'" if ids <= set(decided) else ""


def _own(
    rule: str, message: str, at: Location, severities: Mapping[str, Severity]
) -> Iterable[Finding]:
    severity = severities.get(rule)
    if severity is not None:
        yield Finding(rule, OWN_RULES[rule], severity, message, at, "", "")
