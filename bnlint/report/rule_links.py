"""Where the page of a rule is on the web: the base that ``docs-url`` names, and the rule."""

from __future__ import annotations

import re

_OWN = re.compile(r"BN\d+|probe/[\w-]+")
"""Rules that bnlint's documentation has a page for; a team's own rules are not in it."""


def rule_link(rule: str, docs_url: str) -> str:
    """The address of a rule's page; empty without a base, and for rules that are not bnlint's.

    The base is a folder that holds ``rules/BN301/``, or an address with ``{rule}`` in it.
    """
    if not docs_url or not _OWN.fullmatch(rule):
        return ""
    if "{rule}" in docs_url:
        return docs_url.replace("{rule}", rule)
    return f"{docs_url.rstrip('/')}/rules/{rule}/"
