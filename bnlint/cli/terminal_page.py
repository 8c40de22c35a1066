"""A page in markdown as a terminal shows it: headings, lists, and code in colour."""

from __future__ import annotations

import sys

from bnlint.cli.output import takes_links, wants_colour

_WIDEST = 100


def show_page(markdown: str) -> None:
    """Print a page: laid out for a terminal that shows colours, else as its text."""
    if not (sys.stdout.isatty() and wants_colour("auto", sys.stdout)):
        print(markdown.rstrip("\n"))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=sys.stdout)
    width = min(console.width, _WIDEST)
    page = Markdown(markdown, code_theme="ansi_dark", hyperlinks=takes_links(sys.stdout))
    console.print(page, width=width)
