"""The parsers of the commands; options that are settings come from ``config``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from bnlint.config.load import add_options
from bnlint.config.settings import OPTIONS
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.phrases import closest

DESCRIPTION = """\
Lint PyTorch models: misplaced norms, shape mismatches, unregistered or unused layers, dead
initialization, reported at the source line.

Linting imports each file, which runs its code: in a child process without a terminal, with limits
on time and memory, without CUDA devices and without downloads. Don't lint what you would not run.
"""

EPILOG = """\
paths:
  net.py, src/, 'models/*.py'    files, notebooks, folders, globs; - reads standard input
  net.py::Net(3, 10)             one model, or a factory with arguments
  pkg.module::Name               a model of an installed module

other commands (bnlint COMMAND --help; write ./NAME for a path with the name of a command):
  check              the default: bnlint PATH... is bnlint check PATH...
  explain RULE       what a rule looks for, why, and what to do instead
  rules              all rules, one per line
  test-rules PATH    test rule files by the examples inside them
  baseline write|prune
                     hide today's findings; drop entries that are gone
  compare            what a change did to models: a revision, two files, a checkpoint
  probe              run a model on a real device and measure it
  server             the language server for editors
  init               write a commented config file, from what is found in the project
  completion SHELL   print the script that completes commands in bash, zsh, fish or tcsh

exit codes:
  0  nothing at or above --fail-on        1  findings
  2  wrong usage, config or rule file, a path that could not be checked, an internal error
"""

BASELINE_HELP = """\
usage: bnlint baseline write PATH... [options]
       bnlint baseline prune PATH... [options]

write  put today's findings into the baseline file (bnlint-baseline.json beside the config file,
       or --baseline FILE), so that only new ones count; entries of files and rules that this run
       does not look at stay
prune  drop the entries that are no longer found

bnlint baseline write --help shows the options."""

_FOR_BASELINES = (
    *(name for name, option in OPTIONS.items() if option.decides),
    *("rules", "exclude", "force_exclude"),
    *("verbose", "quiet", "colour", "allow_unchecked", "baseline"),
    *("jobs", "cache_dir", "cache", "config", "isolated"),
)
"""The settings that decide what a run finds; the command decides what happens to that."""


FOR_PROBES = (
    *("select", "extend_select", "ignore", "severity", "fail_on", "formats", "verbose", "quiet"),
    *("colour", "editor", "docs_url", "exit_zero", "config", "isolated", "cache", "cache_dir"),
    "sandbox",
)
"""The settings of a probe."""

FOR_RULES = ("rules", "config", "isolated")
"""The settings of the commands about rules: where to find more of them."""


_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are UsageErrors like all others, with a suggestion."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, formatter_class=_Formatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError; unknown options get the closest known one."""
        raise UsageError(Mistake(message, hint=self._hint(message)))

    def _hint(self, message: str) -> str:
        if chosen := _CHOICE.search(message):
            return closest(chosen[1], re.findall(r"[\w-]+", chosen[2]))
        word, *_ = *message.rpartition("unrecognized arguments: ")[2].split(), ""
        known = [flag for action in self._actions for flag in action.option_strings]
        found = closest(word.partition("=")[0], known) if word.startswith("--") else ""
        return found if found.startswith("did") else f"see {self.prog} --help"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


def check_parser(*, paths: bool = True) -> Parser:
    """The parser of ``bnlint [check] PATH...``; without ``paths``, of its options alone."""
    usage = "bnlint [check] PATH... [options]"
    parser = Parser("bnlint", usage=usage, description=DESCRIPTION, epilog=EPILOG)
    if paths:
        parser.add_argument("paths", nargs="*", metavar="PATH", help="what to check, see below")
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    add_options(parser)
    return parser


def baseline_parser(action: str) -> Parser:
    """The parser of ``bnlint baseline write`` and ``prune``."""
    descriptions = {
        "write": "Write today's findings to the baseline file, so that only new ones count.",
        "prune": "Drop the entries of the baseline file that are no longer found.",
    }
    parser = Parser(f"bnlint baseline {action}", description=descriptions[action])
    parser.add_argument("paths", nargs="+", metavar="PATH", help="what to check")
    add_options(parser, _FOR_BASELINES)
    return parser


def init_parser() -> Parser:
    """The parser of ``bnlint init``."""
    parser = Parser(
        "bnlint init",
        description="Check the project once, and write bnlint.toml with what was found: rules\n"
        "that fired, models that could not be built, inputs that were guessed. An existing\n"
        "config file is left as it is.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="what to check (default: .)")
    names = ("verbose", "quiet", "jobs", "timeout", "max_memory", "sandbox", "cache_dir", "cache")
    add_options(parser, names)
    return parser


def explain_parser() -> Parser:
    """The parser of ``bnlint explain``."""
    parser = Parser("bnlint explain", description="What a rule looks for, why, and what to do.")
    parser.add_argument("rule", help="a rule or a metric of the probe: BN301, redundant-bias")
    add_options(parser, FOR_RULES)
    return parser


def test_rules_parser() -> Parser:
    """The parser of ``bnlint test-rules``."""
    parser = Parser("bnlint test-rules", description="Test rule files by the examples inside them.")
    paths = "rule files, folders or globs (default: the built-in rules)"
    parser.add_argument("paths", nargs="*", metavar="PATH", help=paths)
    add_options(parser, FOR_RULES)
    return parser


def probe_parser() -> Parser:
    """The parser of ``bnlint probe``."""
    from bnlint.probing.given.probe_options import add_options as add_probe_options

    parser = Parser(
        "bnlint probe",
        description="Run a model on a real device, and measure what enters and leaves each\n"
        "activation, the input of its norms and the gradients.",
    )
    add_probe_options(parser)
    add_options(parser, FOR_PROBES)
    return parser


def rules_parser() -> Parser:
    """The parser of ``bnlint rules``."""
    parser = Parser("bnlint rules", description="All rules: id, name, severity, summary.")
    parser.add_argument(
        "--format",
        choices=("text", "markdown", "json"),
        default="text",
        help="one line per rule (default), tables with links, or everything as data",
    )
    parser.add_argument(
        "--output-dir",
        default="",
        metavar="DIR",
        help="with --format markdown: write a page for each rule and metric, and an index",
    )
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of rule files, for editors"
    )
    add_options(parser, FOR_RULES)
    return parser


def parse(parser: Parser, arguments: Sequence[str]) -> dict[str, Any]:
    """The arguments by name: the positional ones, and the options that are there."""
    return vars(parser.parse_intermixed_args(list(arguments)))
