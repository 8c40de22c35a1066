"""A total order of findings, one entry for each construction line, names that survive edits."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from bnlint.domain.finding import Finding

_NAMED = 3
_LENGTH = 32


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by file, line, column, rule, model and layer: the same on every machine."""
    return tuple(sorted(findings, key=_place))


def grouped(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings in order, those of one rule at one place grouped into one.

    A loop, a block used sixteen times or a class that several models share has a single line to
    fix; the entry is about the first layer, counts the others and names a few.
    """
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in ordered(findings):
        at = finding.location
        key = (at.path, at.line, at.column, finding.rule, finding.severity)
        groups.setdefault(key, []).append(finding)
    return ordered(_together(group) for group in groups.values())


def _place(finding: Finding) -> tuple[str | int, ...]:
    at = finding.location
    names = (finding.rule, finding.model, *_natural(finding.layer), finding.message)
    return (at.path, at.line, at.column, *names)


def _natural(layer: str) -> tuple[str]:
    """A key that puts ``features.2`` before ``features.10``."""
    parts = layer.split(".")
    return (".".join(part.zfill(6) if part.isdigit() else part for part in parts),)


def _together(group: list[Finding]) -> Finding:
    """One finding for all of the group."""
    first, rest = group[0], group[1:]
    if not rest:
        return first
    names = dict.fromkeys(_name(finding, first.model) for finding in rest)
    names.pop(first.layer, None)
    first = replace(first, count=sum(f.count for f in group), also=_others(first, rest))
    if not names:
        return first
    shown = list(names)[:_NAMED]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    message = f"{first.message} (the same line also builds {', '.join(shown)}{more})"
    return replace(first, message=message)


def _others(first: Finding, rest: Iterable[Finding]) -> tuple[tuple[str, str], ...]:
    """Model and layer of the others that the entry counts, each once."""
    names = dict.fromkeys((f.model, f.layer) for f in rest)
    names.pop((first.model, first.layer), None)
    return tuple(names)


def _name(finding: Finding, model: str) -> str:
    """The layer, with its model where that is not the one the entry is about."""
    return finding.layer if finding.model == model else f"{finding.model}: {finding.layer}"


def fingerprinted(
    findings: Iterable[Finding], relative: Callable[[str], str]
) -> tuple[Finding, ...]:
    """The findings in their order, each with a name that survives edits elsewhere in the file.

    A fingerprint depends on rule, file, model, layer and a number for repetitions, but not on line
    numbers. ``relative`` returns the path from the project's root with forward slashes, so that the
    folder in which bnlint is started does not matter.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    result = []
    for finding in findings:
        kind = (finding.rule, relative(finding.location.path), finding.model, finding.layer)
        text = "\0".join((*kind, str(seen[kind])))
        seen[kind] += 1
        value = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]
        result.append(replace(finding, fingerprint=value))
    return tuple(result)
