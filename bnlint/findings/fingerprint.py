"""A name for a finding that survives edits elsewhere in the file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from bnlint.domain.finding import Finding

_LENGTH = 32


def fingerprinted(
    findings: Iterable[Finding], relative: Callable[[str], str]
) -> tuple[Finding, ...]:
    """The findings, in their order, each with its fingerprint.

    It is made of rule, file, model, layer and a number that tells several such apart, but of no
    line number. ``relative`` gives the path from the project's root with forward slashes, so that
    it does not matter where bnlint is started.
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
