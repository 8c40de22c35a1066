"""Comparisons as text: one file for each format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from bnlint.domain.model_comparison import ComparisonReport
from bnlint.report import RenderOptions

FORMATS: Mapping[str, str] = {
    "text": "comparison_text",
    "markdown": "comparison_markdown",
    "json": "comparison_json",
    "html": "comparison_page",
}
"""The file of each format."""


def render(name: str, report: ComparisonReport, options: RenderOptions) -> str:
    """The report in a format, ending with a newline."""
    found: Callable[[ComparisonReport, RenderOptions], str]
    found = import_module(f"{__name__}.{FORMATS[name]}").render
    return found(report, options)
