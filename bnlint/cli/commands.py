"""The commands; each imports what it needs, so that ``--help`` and ``explain`` stay fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bnlint.cli.parsers import (
    BASELINE_HELP,
    FOR_RULES,
    Parser,
    baseline_parser,
    check_parser,
    explain_parser,
    init_parser,
    parse,
    rules_parser,
    test_rules_parser,
)
from bnlint.config import Settings, load_settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.phrases import closest

if TYPE_CHECKING:
    from bnlint.domain.finding import Report


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command that the first argument names; ``check`` by default."""
    first, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    command = COMMANDS.get(first)
    if command is None:
        _check_spelling(first)
        return check(arguments)
    return command(rest)


def _check_spelling(word: str) -> None:
    """Raise UsageError for a word that is no path, but nearly a command."""
    if not word.replace("-", "").isalpha() or word.startswith("-") or os.path.exists(word):
        return
    hint = closest(word, COMMANDS, most=0)
    if hint:
        raise UsageError(Mistake(f"there is no command or file called '{word}'", hint=hint))


def check(arguments: Sequence[str]) -> int:
    """Lint and write every format; the exit code says whether there were findings."""
    given = parse(check_parser(), arguments)
    if given.pop("version"):
        from bnlint.cache import torch_version
        from bnlint.domain import VERSION

        torch, python = torch_version() or "not installed", ".".join(map(str, sys.version_info[:3]))
        return _say(f"bnlint {VERSION} (torch {torch}, Python {python})")
    settings = load_settings(given)
    if settings.show_settings:
        from bnlint.config.load import show_settings

        return _say(show_settings(settings).rstrip("\n"))
    if not settings.paths:
        raise UsageError(Mistake("nothing to check", hint="name a file or a folder: bnlint net.py"))
    if settings.watch:
        from bnlint.cli.watch_command import watch

        return watch(given)
    if settings.graph:
        return _graph(settings)
    if "add_ignores" in given:
        return _add_ignores(settings)
    return _fix(settings) if settings.diff or settings.fix else _lint(settings)


def exit_code(report: Report, settings: Settings) -> int:
    """2 when a path named by hand or every model could not be checked, 1 for findings that count.

    Else 0.
    """
    from bnlint.domain.finding import Severity

    seen = any(problem.model for problem in report.not_checked())
    nothing = seen and not report.models and not settings.allow_unchecked
    if report.unchecked() or nothing:
        return 2
    worst, limit = report.worst(), Severity(settings.fail_on)
    return int(worst is not None and worst.at_least(limit) and not settings.exit_zero)


def explain(arguments: Sequence[str]) -> int:
    """Print the page of a rule or a metric."""
    given, settings = _with_rules(explain_parser(), arguments)
    from bnlint import pipeline
    from bnlint.cli.terminal_page import show_page

    show_page(pipeline.explain(settings, given["rule"]))
    return 0


def rules(arguments: Sequence[str]) -> int:
    """Print all rules, as lines, a table or data; or the schema of their files."""
    given, settings = _with_rules(rules_parser(), arguments)
    from bnlint.cli.rule_commands import listing, schema_text, write_pages

    if given["schema"]:
        return _say(schema_text())
    if folder := given["output_dir"]:
        return _say(write_pages(settings, given["format"], folder))
    return _say(listing(settings, given["format"]))


def test_rules(arguments: Sequence[str]) -> int:
    """Test rule files by their examples."""
    given, settings = _with_rules(test_rules_parser(), arguments)
    from bnlint.cli.progress_line import bar
    from bnlint.cli.rule_commands import self_test

    with bar(settings, "testing rules"):
        text, passed = self_test(settings, tuple(given["paths"]))
    print(text)
    return 0 if passed else 1


def baseline(arguments: Sequence[str]) -> int:
    """Write or prune the baseline file."""
    action = arguments[0] if arguments else ""
    if action in ("-h", "--help"):
        return _say(BASELINE_HELP)
    if action not in ("write", "prune"):
        wrong = f"there is no action '{action}'" if action else "an action is missing"
        hint = closest(action, ("write", "prune")) if action else "write or prune"
        raise UsageError(Mistake(f"baseline: {wrong}", hint=hint))
    settings = load_settings(parse(baseline_parser(action), arguments[1:]))
    from bnlint.cli.output import write_problems
    from bnlint.cli.progress_line import bar
    from bnlint.pipeline.renew_baseline import prune_baseline, what_next, write_baseline

    renew = write_baseline if action == "write" else prune_baseline
    with bar(settings):
        said, report = renew(settings)
    print(said)
    write_problems(report, settings)
    if action == "write" and not settings.quiet:
        sys.stderr.write(what_next(settings))
    return 2 if report.unchecked() else 0


def probe(arguments: Sequence[str]) -> int:
    """Run a model on a real device and measure it."""
    from bnlint.cli.probe_command import run

    return run(arguments)


def compare(arguments: Sequence[str]) -> int:
    """Compare versions of models."""
    from bnlint.cli.compare_command import run

    return run(arguments)


def server(arguments: Sequence[str]) -> int:
    """Serve editors over standard input and output."""
    Parser("bnlint server", description="The language server for editors.").parse_args(arguments)
    from bnlint.server import serve

    return serve()


def init(arguments: Sequence[str]) -> int:
    """Write a config file from what is found in the project."""
    from bnlint.cli.init_command import init as write

    return write(parse(init_parser(), arguments))


def completion(arguments: Sequence[str]) -> int:
    """Print the script with which a shell completes commands."""
    from bnlint.cli.completion import SHELLS
    from bnlint.cli.completion import completion as script

    parser = Parser(
        "bnlint completion",
        description="The script that completes commands, options and rules in a shell, for\n"
        "example: bnlint completion bash > ~/.local/share/bash-completion/completions/bnlint",
    )
    parser.add_argument("shell", choices=SHELLS)
    return _say(script(parse(parser, arguments)["shell"]).rstrip("\n"))


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "check": check,
    "explain": explain,
    "rules": rules,
    "test-rules": test_rules,
    "baseline": baseline,
    "compare": compare,
    "probe": probe,
    "server": server,
    "init": init,
    "completion": completion,
}
"""Commands by name; anything else is a path to check."""


def _lint(settings: Settings) -> int:
    from bnlint import pipeline
    from bnlint.cli.output import write_report
    from bnlint.cli.progress_line import bar

    with bar(settings) as progress:
        report = pipeline.check(settings, progress=progress)
    write_report(report, settings)
    return exit_code(report, settings)


def _graph(settings: Settings) -> int:
    from bnlint import pipeline
    from bnlint.cli.output import write_problems
    from bnlint.cli.progress_line import bar

    with bar(settings, "tracing"):
        text, unseen = pipeline.show_graphs(settings)
    if text:
        print(text)
    write_problems(unseen, settings)
    return 2 if unseen.unchecked() else 0


def _fix(settings: Settings) -> int:
    """Show or apply fixes; standard output holds only a diff, so that ``git apply`` can read it."""
    from bnlint.cli.output import write_report
    from bnlint.cli.progress_line import bar
    from bnlint.fixes import apply

    with bar(settings, "checking, and proving fixes"):
        outcome = apply.run(settings)
    sys.stdout.write(outcome.text)
    sys.stderr.write(outcome.note)
    shown = settings.formats
    if not settings.fix:
        shown = tuple(o for o in shown if o.path or o.format not in ("text", "concise"))
    write_report(outcome.report, replace(settings, formats=shown))
    return exit_code(outcome.report, settings)


def _add_ignores(settings: Settings) -> int:
    from bnlint.cli.output import write_report
    from bnlint.cli.progress_line import bar
    from bnlint.fixes.add_ignores import add_ignores

    if not settings.add_ignores.strip():
        hint = 'for example --add-ignores "trained checkpoints need it"'
        raise UsageError(Mistake("--add-ignores needs a reason", hint=hint))
    if settings.fix or settings.diff:
        raise UsageError("--add-ignores and --fix or --diff: run one after the other")
    with bar(settings, "checking"):
        outcome = add_ignores(settings)
    sys.stderr.write(outcome.note)
    write_report(outcome.report, settings)
    return exit_code(outcome.report, settings)


def _with_rules(parser: Parser, arguments: Sequence[str]) -> tuple[dict[str, Any], Settings]:
    """The parser's own arguments, and the settings that say where to find more rules."""
    given = parse(parser, arguments)
    return given, load_settings({name: given[name] for name in FOR_RULES if name in given})


def _say(text: str) -> int:
    print(text)
    return 0
