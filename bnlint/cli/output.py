"""Writes rendered reports to standard output and files, notes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from bnlint.config import Output, Settings
from bnlint.domain import VERSION
from bnlint.domain.errors import UsageError
from bnlint.domain.finding import Report, Section, Severity
from bnlint.pipeline.rulebook import rule_infos
from bnlint.report import RenderOptions, RuleInfo, format_named, render
from bnlint.report.statistics import statistics
from bnlint.sources.cells import cell_lines

_FOR_PEOPLE = ("text", "concise")
"""The formats that statistics replace."""

_LINKING_PROGRAMS = ("iterm.app", "wezterm", "vscode", "ghostty", "hyper", "tabby", "zed")
_LINKING_TERMS = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm")
_LINKING_VARIABLES = ("KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION", "DOMTERM")
_LINKING_VTE = 5000
"""How terminals that show links make themselves known."""


def write_report(
    report: Report, settings: Settings, sections: Callable[[], tuple[Section, ...]] = tuple
) -> None:
    """Write every format to its file, then on standard error what the shown formats leave out.

    ``sections`` returns the chapters that a page has besides the findings.
    """
    formats = [(output, format_named(output.format)) for output in settings.formats]
    rules: Mapping[str, RuleInfo] = {}
    if any(each.rules for _, each in formats):
        rules = rule_infos(settings)
    for output, each in formats:
        options = _options(settings, output, each.checkout)
        chapters = sections() if each.graphs else ()
        options = replace(options, rules=rules, sections=chapters)
        if settings.statistics and output.format in _FOR_PEOPLE and not output.path:
            write_text(output, statistics(report, options))
        else:
            write_text(output, render(output.format, report, options))
    shown = [each.complete for output, each in formats if not output.path]
    if not shown or not all(shown):
        from bnlint.report.formats.text import notes

        sys.stderr.write(notes(report, _notes_options(settings)))


def write_text(output: Output, text: str) -> None:
    """Write a rendered report to its file or to standard output; raises UsageError if it cannot."""
    if not output.path:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:  # ``bnlint | head``
            raise
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"cannot write to standard output: {reason}") from None
        return
    try:
        Path(output.path).parent.mkdir(parents=True, exist_ok=True)
        Path(output.path).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--format {output.format}={output.path}: {reason}") from None


def write_problems(report: Report, settings: Settings) -> None:
    """Write on standard error what could not be checked, without a summary."""
    from bnlint.report.formats.text import problems

    sys.stderr.write(problems(report, _notes_options(settings)))


def wants_colour(choice: str, stream: TextIO) -> bool:
    """Whether to colour what goes to ``stream``: the choice, NO_COLOR, FORCE_COLOR, a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def takes_links(stream: TextIO) -> bool:
    """Whether a terminal shows links: FORCE_HYPERLINK says so, else what is known of the terminal.

    One that does not know them may print them as text.
    """
    if forced := os.environ.get("FORCE_HYPERLINK"):
        return forced != "0"
    known = os.environ.get("TERM_PROGRAM", "").lower() in _LINKING_PROGRAMS
    known |= os.environ.get("TERM", "").startswith(_LINKING_TERMS)
    known |= any(os.environ.get(name) for name in _LINKING_VARIABLES)
    vte = os.environ.get("VTE_VERSION", "")
    known |= vte.isdecimal() and int(vte) >= _LINKING_VTE
    return known and stream.isatty() and "STY" not in os.environ


def _options(settings: Settings, output: Output, checkout: str) -> RenderOptions:
    terminal, width = not output.path and sys.stdout.isatty(), 0
    if terminal:
        from shutil import get_terminal_size  # it loads every kind of archive

        width = get_terminal_size().columns
    root, base = _folders(os.environ.get(checkout, ""))
    return RenderOptions(
        root=root,
        base=base,
        version=VERSION,
        fail_on=Severity(settings.fail_on),
        colour=not output.path and wants_colour(settings.colour, sys.stdout),
        excerpts=terminal and not settings.quiet,
        width=width,
        verbose=settings.verbose,
        quiet=settings.quiet,
        cell=cell_lines,
        docs_url=settings.docs_url,
        editor=settings.editor,
        links=not output.path and _shows_links(settings),
    )


def _shows_links(settings: Settings) -> bool:
    return wants_colour(settings.colour, sys.stdout) and takes_links(sys.stdout)


def _folders(checkout: str) -> tuple[str, str]:
    """The folder that paths are to be relative to, and the one they are relative to now."""
    here = Path.cwd()
    if checkout and here.is_relative_to(Path(checkout).resolve()):
        return str(Path(checkout).resolve()), str(here)
    return str(here), ""


def _notes_options(settings: Settings) -> RenderOptions:
    return RenderOptions(
        root=str(Path.cwd()),
        colour=wants_colour(settings.colour, sys.stderr),
        verbose=settings.verbose,
        quiet=settings.quiet,
    )
