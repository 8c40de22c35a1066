"""A total order of findings, one entry for each construction line, names that survive edits."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from bnlint.domain.finding import Finding, Severity
from bnlint.domain.naming import quoted

_NAMED = 3
_LENGTH = 32


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by file, line, column, rule, model and layer: the same on every machine."""
    return tuple(sorted(findings, key=_place))


def _place(finding: Finding) -> tuple[str | int, ...]:
    at = finding.location
    parts = finding.layer.split(".")  # ``features.2`` comes before ``features.10``
    layer = ".".join(part.zfill(6) if part.isdigit() else part for part in parts)
    return at.path, at.line, at.column, finding.rule, finding.model, layer, finding.message


def grouped(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings in order, those of one rule at one place grouped into one.

    A loop, a block used sixteen times or a class that several models share has a single line to
    fix; the entry is about the first layer, counts the others and names a few. A model that was
    built with guessed arguments says nothing that one without says otherwise.
    """
    groups: dict[tuple[object, ...], list[Finding]] = {}
    sure: dict[tuple[object, ...], Severity] = {}
    for finding in sorted(ordered(findings), key=lambda finding: finding.guessed):
        at = finding.location
        place = (at.path, at.line, at.column, finding.rule)
        if not finding.guessed:
            sure.setdefault(place, finding.severity)
        severity = sure.get(place, finding.severity) if finding.guessed else finding.severity
        groups.setdefault((*place, severity), []).append(finding)
    return ordered(_together(*group) for group in groups.values())


def _together(first: Finding, *rest: Finding) -> Finding:
    """One finding for all of a group; another model's layer is named with its model."""
    if not rest:
        return first
    others = dict.fromkeys((f.model, f.layer) for f in rest)
    others.pop((first.model, first.layer), None)
    count = first.count + sum(finding.count for finding in rest)
    first = replace(first, count=count, also=tuple(others))
    if not others:
        return first
    names = [
        quoted(layer, model) + ("" if model == first.model else f" of {model}")
        for model, layer in others
    ]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    message = f"{first.message} (the same line also builds {', '.join(names[:_NAMED])}{more})"
    return replace(first, message=message)


def fingerprinted(
    findings: Iterable[Finding], relative: Callable[[str], str]
) -> tuple[Finding, ...]:
    """The findings in their order, each with a fingerprint that survives edits elsewhere.

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
