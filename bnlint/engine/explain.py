"""What people read of rules: their pages in markdown, and examples as whole files.

Also the two rules that match no graph and so have no file: those about suppression comments.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from symtable import symtable
from typing import TypeAlias

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import percent
from bnlint.domain.rule import Docs, Example, ReportAt, Rule


def explain(rule: Rule) -> str:
    """The rule's page: what it does, why, when it is silent, examples, how to configure it."""
    parts = [
        f"# {rule.name} ({rule.id})",
        _status(rule),
        _section("What it does", f"{rule.summary[:1].upper()}{rule.summary[1:]}."),
        _section("Why", rule.docs.why),
        _section("Evidence", rule.docs.evidence),
        _section("What to do instead", rule.docs.instead),
        _section("Exceptions", _bullets(e.because for e in rule.unless)),
        _section("When the severity is lowered", _bullets(
            f"{d.because} ({d.severity.value})" for d in rule.downgrade)),
        _section("Convention", _convention(rule)),
        _section("Example", _example(rule.bad)),
        _section("Use instead", _example(rule.good)),
        *(_form(form, rule) for form in rule.forms),
        _section("How to silence it", _silence(rule)),
        _section("References", _bullets(rule.docs.references)),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _form(form: Rule, rule: Rule) -> str:
    """What is different about another form of the rule."""
    own = () if form.docs == rule.docs else (form.docs.why, form.docs.evidence, form.docs.instead)
    parts = [
        f"## Also: {form.summary}",
        *(text.strip() for text in own),
        _bullets(f"silent when {e.because}" for e in form.unless),
        _example(form.bad),
    ]
    return "\n\n".join(part for part in parts if part)


def _status(rule: Rule) -> str:
    said = [f"Severity: {rule.severity.value}."]
    if not rule.enabled:
        said.append(f"Off unless asked for (`--select {rule.id}`).")
    if rule.fix_safety:
        said.append(f"A fix is available ({rule.fix_safety}).")
    return " ".join(said)


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body.strip()}" if body.strip() else ""


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _convention(rule: Rule) -> str:
    if rule.convention is None:
        return ""
    share = percent(rule.convention.share)
    return (
        f"Where it fires for {share} of the model's layers of that kind (and for "
        f"{rule.convention.at_least} or more), it is reported once, for the model."
    )


def _example(examples: tuple[Example, ...]) -> str:
    if not examples:
        return ""
    return f"```python\n{whole(examples[0]).rstrip()}\n```"


PRELUDE = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
"""What examples may use without importing it."""
_IMPORTS = ("import ", "from ")
Names: TypeAlias = frozenset[str]


def whole(example: Example) -> str:
    """The code with the parts of the prelude that it uses before it; broken code as it is."""
    try:
        _, needed = _names(example.code)
        body = ast.parse(example.code).body
    except (SyntaxError, ValueError, RecursionError):
        return example.code
    used: list[str] = []
    for text, binds, needs in reversed(_parts(example.prelude)):  # a part may need earlier ones
        if binds & needed:
            used.insert(0, text)
            needed |= needs
    imports = "".join(f"{text}\n" for text in used if text.startswith(_IMPORTS))
    helpers = "".join(f"{text}\n\n" for text in used if not text.startswith(_IMPORTS))
    begins_with_import = bool(body) and isinstance(body[0], (ast.Import, ast.ImportFrom))
    gap = "\n" if imports and not (begins_with_import and not helpers) else ""
    return imports + gap + helpers + example.code


@cache
def _parts(prelude: str) -> list[tuple[str, Names, Names]]:
    """The statements of the common prelude and of a rule's own, which wins, with their names."""
    common, own = (
        [
            (text, *_names(text))
            for statement in ast.parse(code).body
            if (text := ast.get_source_segment(code, statement))
        ]
        for code in (PRELUDE, prelude)
    )
    bound = frozenset[str]().union(*(binds for _, binds, _ in own))
    return [*(part for part in common if not part[1] & bound), *own]


def _names(code: str) -> tuple[Names, Names]:
    """The names that the code binds for a file, and those that it needs from elsewhere."""
    file = symtable(code, "example", "exec")
    bound = {s.get_name() for s in file.get_symbols() if s.is_assigned() or s.is_imported()}
    read: set[str] = set()
    scopes = [file]
    for scope in scopes:
        read |= {s.get_name() for s in scope.get_symbols() if s.is_referenced() and s.is_global()}
        scopes += scope.get_children()
    return frozenset(bound), frozenset(read - bound)


def _silence(rule: Rule) -> str:
    # No comment hides findings about comments.
    line = f"On the line: `# bnlint: ignore[{rule.id}] -- the reason`. " if rule.match else ""
    return (
        f"{line}Everywhere: `--ignore {rule.id}`, or in `pyproject.toml`:\n\n"
        "```toml\n[tool.bnlint.severity]\n"
        f'{rule.id} = "off"   # or error, warning, info\n```'
    )


_NAMED = """\
from torch import nn

net = nn.Sequential(
    nn.Conv2d(3, 8, 3),  # bnlint: ignore[BN301] -- for old checkpoints
    nn.BatchNorm2d(8),
)
"""


def _own(id: str, name: str, summary: str, *, bad: str, **docs: str) -> Rule:
    return Rule(
        id=id,
        name=name,
        severity=Severity.WARNING,
        summary=summary,
        match=(),
        where=(),
        unless=(),
        report=ReportAt("", ""),
        docs=Docs(**docs),  # type: ignore[arg-type]
        bad=(Example(bad),),
        good=(Example(_NAMED),),
    )


OWN_RULES = (
    _own(
        "BN900",
        "unused-suppression",
        "a suppression comment that has no effect",
        bad="""\
from torch import nn

net = nn.Sequential(
    nn.Conv2d(3, 8, 3, bias=False),  # bnlint: ignore[BN301] -- for old checkpoints
    nn.BatchNorm2d(8),
)
""",
        why="""\
A comment that is left behind when the code is fixed, or that never applied, misleads the
reader and will hide the next finding on its line. A name that no rule has, or a word of another
linter (`disable`, `noqa`), looks like a suppression but has no effect.
""",
        evidence="""\
It is reported only if every model of the file was checked, and the rule that the comment names
was run and could decide everything there. Comments are found by tokenizing, so text inside a
string is not one.
""",
        instead="""\
Remove the comment, or the rule from its list. A comment counts on the line that builds the
layer, on the line that calls it, and on the class.
""",
    ),
    _own(
        "BN901",
        "suppression-without-rule",
        "a suppression comment that names no rule",
        bad="""\
from torch import nn

net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))  # bnlint: ignore
""",
        why="""\
A bare `# bnlint: ignore` hides everything that is found on its line, now and later, including
errors that are introduced by mistake.
""",
        evidence="""\
The findings on its line are still hidden.
""",
        instead="""\
Name the rule and give a reason: `# bnlint: ignore[BN301] -- reason`. To skip a whole file,
write `# bnlint: skip-file`.
""",
    ),
)
"""BN900 and BN901, as far as people read them; ``findings.suppress`` finds them."""
