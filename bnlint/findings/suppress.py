"""Findings suppressed by comments, and comments that suppress nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bnlint.domain.finding import Finding, Severity
from bnlint.domain.graph import Location
from bnlint.findings.comments import Comment, ignore_comments, mistaken_comments

UNUSED, BARE = "BN900", "BN901"
OWN_RULES = {UNUSED: "unused-suppression", BARE: "suppression-without-rule"}
"""The names of the rules about comments themselves, by id; they have no file."""

_RIGHT = "# bnlint: ignore[BN301]"


def _warnings(_: str) -> Mapping[str, Severity]:
    return {UNUSED: Severity.WARNING, BARE: Severity.WARNING}


class RuleNames(NamedTuple):
    """What a comment may name: the rules by id, with their names.

    ``own`` returns the severities of BN900 and BN901 in a file; a missing one is off.
    """

    known: Mapping[str, str]
    own: Callable[[str], Mapping[str, Severity]] = _warnings

    def ids(self, pattern: str) -> frozenset[str]:
        """The rules that a comment means by an id, the start of one, or a name."""
        wanted = pattern.strip()
        known = self.known.items()
        exact = {i for i, name in known if wanted in (i, name) or wanted.upper() == i}
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
    comments = _Comments(text_of, names)
    kept: list[Finding] = []
    gone: set[tuple[object, ...]] = set()
    for finding in findings:
        if comments.cover(finding):
            at = finding.location
            gone.add((finding.rule, at.path, at.line, at.column))
        else:
            kept.append(finding)
    for path in sorted(decided):
        kept += comments.about(path, decided[path])
    return Suppressed(tuple(kept), len(gone))


class _Comments:
    """The comments of every file with findings, and which of their words suppressed one."""

    def __init__(self, text_of: Callable[[str], str | None], names: RuleNames) -> None:
        self._text_of = text_of
        self._names = names
        self._comments: dict[str, tuple[Comment, ...]] = {}
        self._used: set[tuple[str, int, str]] = set()

    def cover(self, finding: Finding) -> bool:
        """True when a comment at one of the finding's lines names its rule, or is bare."""
        covered = False
        for place in (finding.location, *finding.anchors):
            for comment in self._of(place.path):
                if comment.covers(place):
                    words = [w for w in comment.rules if finding.rule in self._names.ids(w)]
                    self._used |= {(place.path, comment.line, word) for word in words}
                    covered |= bool(words) or not comment.rules
        return covered

    def about(self, path: str, decided: Collection[str]) -> Iterator[Finding]:
        """Findings about the comments of one file."""
        own = self._names.own(path)

        def finding(rule: str, message: str, line: int, column: int) -> Iterator[Finding]:
            if rule in own:
                at = Location(path, line, column)
                yield Finding(rule, OWN_RULES[rule], own[rule], message, at, "", "")

        for line, column, word in mistaken_comments(self._text_of(path) or ""):
            said = f"'{word}' has no effect; write {_RIGHT} or # bnlint: skip-file"
            yield from finding(UNUSED, said, line, column)
        for comment in self._of(path):
            at = comment.line, comment.column
            if not comment.rules:
                said = "this comment hides every rule here; name the ones you mean: "
                yield from finding(BARE, f"{said}{_RIGHT} -- reason", *at)
            for word in comment.rules:
                unused = (path, comment.line, word) not in self._used
                if unused and (why := self._useless(word, decided)):
                    yield from finding(UNUSED, why, *at)

    def _of(self, path: str) -> tuple[Comment, ...]:
        if path not in self._comments:
            self._comments[path] = ignore_comments(self._text_of(path) or "")
        return self._comments[path]

    def _useless(self, word: str, decided: Collection[str]) -> str:
        ids = self._names.ids(word)
        if not ids:
            return f"no rule is called '{word}'"
        return f"'{word}' has no effect here" if ids <= set(decided) else ""
