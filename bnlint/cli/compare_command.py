"""``bnlint compare``: what a change did to a model."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bnlint.cli.output import wants_colour, write_text
from bnlint.cli.parsers import Parser, parse
from bnlint.cli.progress_line import bar
from bnlint.comparing.failing import ANSWERS, fails
from bnlint.comparing.showing import FORMATS, render
from bnlint.comparing.targets import compare
from bnlint.config import Output, Settings, load_settings
from bnlint.config.load import add_options
from bnlint.domain import VERSION
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.model_comparison import ComparisonReport
from bnlint.domain.phrases import closest, listed
from bnlint.report import RenderOptions
from bnlint.sources.cells import cell_lines

_SETTINGS = (
    *("select", "ignore", "severity", "rules", "norm_placement", "inputs", "layers", "exclude"),
    *("verbose", "quiet", "colour", "exit_zero", "jobs", "timeout", "max_memory", "sandbox"),
    *("cache_dir", "cache", "config", "isolated"),
)

DESCRIPTION = """\
Say what a change did to each model that it touches: whether old checkpoints load, whether the
same weights still give the same outputs, what changed in the graph, what it costs.

  bnlint compare main                      the working tree against a revision
  bnlint compare main... src/net.py        against the merge base; these files only
  bnlint compare v1 v2                     two revisions (or v1..v2)
  bnlint compare HEAD --staged             what is staged
  bnlint compare old.py::Net new.py::Net   two models, whatever their names
  bnlint compare net.py::Net weights.pt    a model and a checkpoint

Both versions are imported and so their code runs, each in a child process with limits.
"""

EPILOG = """\
verdicts:
  identical       the same graph and the same keys
  same-function   equal outputs on the same weights; keys may be renamed
  changed, added, removed, not-compared (with the reason)

exit codes:
  0  nothing that --fail-on names        1  an answer that --fail-on names
  2  wrong usage, or nothing could be compared
"""


def run(arguments: Sequence[str]) -> int:
    """The exit code: 2 if nothing could be compared, 1 for answers that count, else 0."""
    given = parse(compare_parser(), arguments)
    answers = _answers(given.get("fail_on") or "checkpoint")
    outputs = [_output(text) for text in given.get("format") or ["text"]]
    chosen = {name: given[name] for name in _SETTINGS if name in given}
    words = tuple(given["targets"])
    settings = load_settings({"paths": [_file(word) for word in words], **chosen})
    with bar(settings, "comparing"):
        report = compare(settings, words, staged=bool(given.get("staged")))
    for output in outputs:
        write_text(output, render(output.format, report, _options(settings, output)))
    return exit_code(report, answers, settings)


def exit_code(report: ComparisonReport, answers: Sequence[str], settings: Settings) -> int:
    """2 if there were models, but none could be compared; 1 if an answer fails; else 0."""
    blocked = any(problem.blocking for problem in report.problems)
    if blocked and not report.comparisons:
        return 2
    return int(fails(report, answers) and not settings.exit_zero)


def compare_parser() -> Parser:
    """The parser of ``bnlint compare``."""
    usage = "bnlint compare REVISION [REVISION] [PATH...] | OLD NEW [options]"
    parser = Parser("bnlint compare", usage=usage, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "targets", nargs="+", metavar="TARGET", help="revisions and paths, or two files"
    )
    parser.add_argument(
        "--staged", action="store_true", help="compare with the index, not the working tree"
    )
    parser.add_argument(
        "--format",
        action="append",
        default=argparse.SUPPRESS,
        metavar="FORMAT[=FILE]",
        help=f"{listed(list(FORMATS), 'or')}; with =FILE into a file (repeatable)",
    )
    parser.add_argument(
        "--fail-on",
        dest="fail_on",
        default=argparse.SUPPRESS,
        metavar="ANSWERS",
        help=f"answers that make the exit code 1, separated by commas: {listed(ANSWERS, 'or')} "
        "(default: checkpoint)",
    )
    add_options(parser, _SETTINGS)
    return parser


def _answers(text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in ANSWERS:
            raise UsageError(
                Mistake(f"--fail-on: there is no answer '{word}'", hint=closest(word, ANSWERS))
            )
    return words


def _output(text: str) -> Output:
    name, _, path = text.partition("=")
    if name not in FORMATS:
        hint = closest(name, FORMATS)
        raise UsageError(Mistake(f"--format: comparisons have no format '{name}'", hint=hint))
    return Output(name, path)


def _file(word: str) -> str:
    """The path of a word, for the search for a config file; the working directory otherwise."""
    name = word.partition("::")[0]
    return name if os.path.exists(name) else "."


def _options(settings: Settings, output: Output) -> RenderOptions:
    import sys

    colour: Any = not output.path and wants_colour(settings.colour, sys.stdout)
    return RenderOptions(
        root=str(Path.cwd()),
        version=VERSION,
        colour=bool(colour),
        verbose=settings.verbose,
        quiet=settings.quiet,
        cell=cell_lines,
    )
