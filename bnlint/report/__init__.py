"""Reports as text in every format; a formatter returns a string and never prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bnlint.domain.finding import Report
from bnlint.report.options import RenderOptions, RuleInfo

__all__ = ["FORMATS", "RenderOptions", "RuleInfo", "render"]

Formatter = Callable[[Report, RenderOptions], str]


def _lazily(module: str) -> Formatter:
    """The ``render`` of a module, imported when it is first needed: a run uses one or two."""

    def render(report: Report, options: RenderOptions) -> str:
        from importlib import import_module

        formatter: Formatter = import_module(f"bnlint.report.{module}").render
        return formatter(report, options)

    return render


FORMATS: Mapping[str, Formatter] = {
    "text": _lazily("text"),
    "concise": _lazily("concise"),
    "json": _lazily("json"),
    "sarif": _lazily("sarif"),
    "github": _lazily("github"),
    "gitlab": _lazily("gitlab"),
    "junit": _lazily("junit"),
    "html": _lazily("html"),
}
"""Formatters by the name they have on the command line."""

COMPLETE = frozenset({"json", "sarif", "github", "junit", "html"})
"""Formats that carry problems themselves, so that nothing is left to say beside them."""


def render(name: str, report: Report, options: RenderOptions | None = None) -> str:
    """The report in the format ``name``, with a line end at its end; raises UsageError."""
    if name not in FORMATS:
        from bnlint.domain.errors import Mistake, UsageError

        raise UsageError(
            Mistake(f"no format is called '{name}'", hint=f"known: {', '.join(FORMATS)}")
        )
    return FORMATS[name](report, options or RenderOptions())
