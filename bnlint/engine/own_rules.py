"""The rules about suppression comments: they match no graph, and have no file."""

from __future__ import annotations

from bnlint.domain.finding import Severity
from bnlint.domain.rule import Docs, Example, ReportAt, Rule

_UNUSED = """\
from torch import nn

net = nn.Sequential(
    nn.Conv2d(3, 8, 3, bias=False),  # bnlint: ignore[BN301] -- for old checkpoints
    nn.BatchNorm2d(8),
)
"""
_BARE = """\
from torch import nn

net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))  # bnlint: ignore
"""
_NAMED = """\
from torch import nn

net = nn.Sequential(
    nn.Conv2d(3, 8, 3),  # bnlint: ignore[BN301] -- for old checkpoints
    nn.BatchNorm2d(8),
)
"""


def _rule(id: str, name: str, summary: str, docs: Docs, bad: str) -> Rule:
    return Rule(
        id=id,
        name=name,
        severity=Severity.WARNING,
        summary=summary,
        match=(),
        where=(),
        unless=(),
        report=ReportAt("", ""),
        docs=docs,
        bad=(Example(bad),),
        good=(Example(_NAMED),),
    )


_UNUSED_DOCS = Docs(
    why="""\
A comment that is left behind when the code is mended, or that never fitted, says of a line
what is not true of it, and will hide the next finding there. A name that no rule has, or a
word of another linter (`disable`, `noqa`), holds nothing back although it looks so.
""",
    evidence="""\
It is said only where every model of the file was checked, and the rule that the comment names
was run and could decide everything there. Comments are found by tokenizing: one inside a
string is none.
""",
    instead="""\
Remove the comment, or the rule from its list. A comment counts on the line that builds the
layer, on the line that calls it, and on the class.
""",
)
_BARE_DOCS = Docs(
    why="""\
A bare `# bnlint: ignore` hides whatever is found there, now and later: an error that comes in
by mistake as well.
""",
    evidence="""\
What it covers is held back all the same.
""",
    instead="""\
Name what is meant, and say why: `# bnlint: ignore[BN301] -- reason`. A whole file is left out
by `# bnlint: skip-file`.
""",
)
OWN_RULES = (
    _rule(
        "BN900",
        "unused-suppression",
        "a suppression comment that holds nothing back",
        _UNUSED_DOCS,
        _UNUSED,
    ),
    _rule(
        "BN901",
        "suppression-without-rule",
        "a suppression comment that names no rule",
        _BARE_DOCS,
        _BARE,
    ),
)
"""BN900 and BN901, as far as people read them; ``findings.suppress`` finds them."""
