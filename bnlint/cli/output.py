"""Writes rendered reports to standard output and files, notes and progress to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from bnlint.config import Output, Settings
from bnlint.domain import VERSION
from bnlint.domain.errors import UsageError
from bnlint.domain.finding import Report, Section, Severity
from bnlint.report import RenderOptions, RuleInfo
from bnlint.report.formats import format_named, render

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all, and the file that was done last."""

_WORTH_A_BAR = 5


def write_report(
    report: Report, settings: Settings, sections: Callable[[], tuple[Section, ...]] = tuple
) -> None:
    """Write every format to its file, then on standard error what the shown formats leave out.

    ``sections`` returns the chapters that a page has besides the findings.
    """
    infos: Mapping[str, RuleInfo] = {}
    if any(format_named(output.format).rules for output in settings.formats):
        from bnlint.pipeline import rule_infos

        infos = rule_infos(settings)
    for output in settings.formats:
        options = _options(settings, infos, output)
        if format_named(output.format).graphs:
            options = replace(options, sections=sections())
        write_text(output, render(output.format, report, options))
    shown = [format_named(output.format) for output in settings.formats if not output.path]
    if not shown or not all(each.complete for each in shown):
        write_notes(report, settings)


def write_text(output: Output, text: str) -> None:
    """Write a rendered report to its file (raises UsageError if it cannot), or to stdout."""
    if not output.path:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(output.path).parent.mkdir(parents=True, exist_ok=True)
        Path(output.path).write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--format {output.format}={output.path}: {reason}") from None


def write_notes(report: Report, settings: Settings) -> None:
    """Write on standard error what could not be checked, and a summary of the run."""
    from bnlint.report.formats.text import notes

    sys.stderr.write(notes(report, _notes_options(settings)))


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


def _options(settings: Settings, rules: Mapping[str, RuleInfo], output: Output) -> RenderOptions:
    terminal = not output.path and sys.stdout.isatty()
    root, base = _folders(output.format)
    return RenderOptions(
        rules=rules,
        root=root,
        base=base,
        version=VERSION,
        fail_on=Severity(settings.fail_on),
        colour=not output.path and wants_colour(settings.colour, sys.stdout),
        excerpts=terminal and not settings.quiet,
        width=_columns() if terminal else 0,
        verbose=settings.verbose,
        quiet=settings.quiet,
    )


def _columns() -> int:
    from shutil import get_terminal_size  # it loads every kind of archive

    return get_terminal_size().columns


def _folders(format: str) -> tuple[str, str]:
    """The folder that paths are to be relative to, and the one they are relative to now."""
    here = Path.cwd()
    checkout = os.environ.get(format_named(format).checkout, "")
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


@contextmanager
def bar(settings: Settings) -> Iterator[Progress | None]:
    """A function to call after each file; None when nobody would see a bar."""
    if settings.quiet or not sys.stderr.isatty():
        yield None
        return
    shown = _Bar()
    try:
        yield shown.advance
    finally:
        shown.close()


class _Bar:
    """The bar; rich is imported only when there are enough files to wait for."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def advance(self, done: int, total: int, file: str) -> None:
        """Move to ``done`` of ``total``; ``file`` is the one that was done last."""
        if total < _WORTH_A_BAR:
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import Progress as RichProgress

            self._progress = RichProgress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("checking", total=total)
            self._progress.start()
        self._progress.update(self._task, completed=done, description=file[-40:])

    def close(self) -> None:
        """Remove the bar."""
        if self._progress is not None:
            self._progress.stop()
