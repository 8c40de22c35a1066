"""The page of a metric, in markdown, as rules have one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bnlint.probing.judging.metric import PREFIX, Metric

_CODE = re.compile(r"\w+[._]\w")
"""Text that begins with a name of code, which stays as it is written."""


def page(metric: Metric) -> str:
    """What the metric measures, when it is reported, why, what to do and how to silence it."""
    return "\n\n".join(_parts(metric)) + "\n"


def _parts(metric: Metric) -> Iterator[str]:
    yield f"# {metric.name} ({PREFIX}{metric.name})"
    yield f"Measured by `bnlint probe`. Severity: {metric.severity.value}."
    yield from _section("What it measures", metric.definition)
    yield from _section("When it is reported", metric.default)
    yield from _section("Why", metric.why)
    yield from _section("What to do instead", metric.remedy)
    if metric.leads_to:
        names = ", ".join(dict.fromkeys(metric.leads_to))
        yield from _section(
            "What follows from it", f"Where it is the cause, these are part of its finding: {names}"
        )
    yield "## How to silence it\n\n" + (
        f"On the line: `# bnlint: ignore[{metric.name}] -- the reason`. Everywhere: "
        f"`--ignore {metric.name}`, or in `pyproject.toml`:\n\n"
        "```toml\n[tool.bnlint.severity]\n"
        f'{metric.name} = "off"   # or error, warning, info\n```'
    )
    yield from _section("References", metric.source)


def _section(title: str, text: str) -> Iterator[str]:
    body = text if _CODE.match(text) else text[:1].upper() + text[1:]
    yield f"## {title}\n\n{body.rstrip('.')}."
