"""``bnlint completion SHELL``: a script with which a shell completes commands, options and rules.

The script is written once and needs no Python when it is used. shtab makes it from the parsers.
"""

from __future__ import annotations

from argparse import Action, ArgumentParser
from typing import Any

from bnlint.cli.compare_command import compare_parser
from bnlint.cli.parsers import (
    Parser,
    baseline_parser,
    check_parser,
    explain_parser,
    init_parser,
    probe_parser,
    rules_parser,
    test_rules_parser,
)
from bnlint.comparing.failing import ANSWERS
from bnlint.comparing.showing import FORMATS
from bnlint.config.load import load_settings
from bnlint.config.settings import OPTIONS
from bnlint.domain.errors import Mistake, UsageError
from bnlint.pipeline import rule_infos
from bnlint.pipeline.handbook import metric_names
from bnlint.report import format_names

SHELLS = ("bash", "zsh", "fish", "tcsh")

_COMMANDS = "_shtab_bnlint_pos_0_choices="
_COMMANDS_OR_FILES = f"_shtab_bnlint_pos_0_COMPGEN=_shtab_compgen_files\n{_COMMANDS}"
"""The first word is a command or a path, which shtab has no words for."""

_NAMES_RULES = ("select", "extend_select", "ignore")
_FILES = ("config", "baseline", "rules", "stdin_filename", "cache_dir", "exclude")


def completion(shell: str) -> str:
    """The script for a shell.

    Raises
    ------
    UsageError
        When shtab is not installed.

    """
    try:
        import shtab
    except ImportError:
        hint = "pip install 'bnlint[completion]'"
        raise UsageError(Mistake("completion needs shtab", hint=hint)) from None
    text: str = shtab.complete(_whole(shtab), shell)
    return text.replace(_COMMANDS, _COMMANDS_OR_FILES) if shell == "bash" else text


def _whole(shtab: Any) -> Parser:
    """All commands as one parser, with what each argument may be."""
    rules = list(rule_infos(load_settings({"isolated": True, "cache": False})))
    root = check_parser(paths=False)
    commands = root.add_subparsers(dest="command")
    root.add_argument("paths", nargs="*")
    for parser in (
        *(explain_parser(), rules_parser(), test_rules_parser()),
        *(probe_parser(), compare_parser(), init_parser()),
    ):
        _add(commands, parser.prog.split()[-1], parser)
    own = {"fail_on": ANSWERS, "format": tuple(FORMATS)}  # words of its own under known names
    for each in commands.choices["compare"]._actions:
        each.choices = own.get(each.dest, each.choices)
    _add(commands, "check", check_parser())
    commands.add_parser("server", help="server")
    commands.add_parser("completion", help="completion").add_argument("shell", choices=SHELLS)
    baseline = commands.add_parser("baseline", help="baseline").add_subparsers(dest="action")
    for action in ("write", "prune"):
        _add(baseline, action, baseline_parser(action))
    for known in _all(root):
        for each in known._actions:
            _describe(each, rules, shtab)
    return root


def _add(commands: Any, name: str, parser: Parser) -> None:
    """A command with the arguments of a parser that exists."""
    copy = commands.add_parser(name, help=parser.description, add_help=False)
    for action in parser._actions:
        copy._add_action(action)


def _all(parser: ArgumentParser) -> list[ArgumentParser]:
    choices = [a.choices for a in parser._actions if isinstance(a.choices, dict)]
    below = [each for found in choices for child in found.values() for each in _all(child)]
    return [parser, *below]


def _describe(action: Action, rules: list[str], shtab: Any) -> None:
    """What completes an argument: the choices of its setting, rules, formats, or files."""
    option = OPTIONS.get(action.dest)
    if action.choices:
        return
    if action.dest in ("paths", "target", "targets") or action.dest in _FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    elif action.dest == "rule":
        action.choices = [*rules, *metric_names()]
    elif action.dest in _NAMES_RULES:
        action.choices = [*rules, "ALL"]
    elif action.dest == "formats":
        action.choices = list(format_names())
    elif option and option.choices:
        action.choices = list(option.choices)
