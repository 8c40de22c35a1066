"""Every setting of bnlint, defined once: parser, config reader and rules derive from the fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from bnlint.config.option import InputsFor, ModelsFor, Output, PerFile, option, options_of
from bnlint.domain.codec import encode
from bnlint.domain.graph import Value
from bnlint.domain.phrases import listed
from bnlint.domain.request import InputSpec
from bnlint.report import format_named, format_names

_rules = partial(option, group="Rules")
_models = partial(option, group="Models and inputs")
_output = partial(option, group="Output", config=False)
_known = partial(option, group="Findings already known")
_fixes = partial(option, group="Fixes")
_limits = partial(option, group="Cache, jobs and limits")
_sources = partial(option, group="Config", config=False)
_table = partial(option, flags=())


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run; a field's metadata says how it is spelled and what it means.

    ``root`` is the folder of the config file, else the working directory: paths in the config file
    and in machine-readable reports are relative to it. ``origins`` says where each setting that is
    not a default came from.
    """

    paths: tuple[str, ...] = ()
    root: str = "."
    config_file: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)

    select: tuple[str, ...] = _rules(
        (),
        "words",
        "run only these rules: ids, prefixes or names, separated by commas; ALL for every rule",
        decides="findings",
    )
    extend_select: tuple[str, ...] = _rules(
        (),
        "words",
        "run these rules too, in addition to those selected or on by default",
        adds=True,
        decides="findings",
    )
    ignore: tuple[str, ...] = _rules(
        (),
        "words",
        "skip these rules, in addition to those the config file skips",
        adds=True,
        decides="findings",
    )
    rules: tuple[str, ...] = _rules(
        (), "globs", "files with rules of your own (repeatable, globs)", adds=True
    )
    severity: Mapping[str, str] = _rules(
        {},
        "severities",
        "severity by rule id, prefix or name: error, warning, info or off (repeatable)",
        metavar="RULE=LEVEL",
        adds=True,
        decides="findings",
    )
    fail_on: str = _rules(
        "warning",
        "choice",
        "minimum severity that makes the exit code 1 (default: warning)",
        choices=("error", "warning", "info"),
    )
    norm_placement: str = _rules(
        "before-activation",
        "choice",
        "where your models put norms",
        choices=("before-activation", "after-activation", "any"),
        for_rules=True,
    )
    per_file: tuple[PerFile, ...] = _table(
        (), "per-file", "ignore and severity for files that match a glob", decides="findings"
    )

    inputs: tuple[InputSpec, ...] = _models(
        (),
        "inputs",
        "input shape, for example 1x3x224x224, 8x16:int64 or mask=8x16:bool (repeatable)",
        flags=("--input",),
        config=False,
        decides="graph",
    )
    inputs_for: tuple[InputsFor, ...] = _table(
        (), "inputs-table", "inputs by file, or by file::Model", decides="graph"
    )
    models: tuple[ModelsFor, ...] = _table(
        (), "models", "by file: the calls that build its models", decides="graph"
    )
    layers: tuple[tuple[str, str], ...] = _table(
        (), "layers", "kinds of layers of your own, by dotted type name", decides="graph"
    )
    exclude: tuple[str, ...] = _models(
        (), "patterns", "files and folders to skip (repeatable, globs)", adds=True
    )
    force_exclude: bool = _models(
        False, "flag", "skip excluded files even when they are named one by one"
    )
    stdin_filename: str = _models(
        "", "word", "path to report for standard input (-)", metavar="PATH", config=False
    )
    graph: bool = _models(
        False,
        "flag",
        "print each model's traced operations instead of linting",
        config=False,
    )

    formats: tuple[Output, ...] = _output(
        (Output("text"),),
        "formats",
        f"{listed(format_names(), 'or')}; with =FILE into a file, =- for standard output "
        "(repeatable)",
        flags=("--format",),
    )
    statistics: bool = _output(
        False, "flag", "print how often each rule fired instead of the findings"
    )
    watch: bool = _output(
        False, "flag", "lint again whenever a file changes that the report depends on"
    )
    verbose: bool = _output(
        False,
        "flag",
        "also print what could not be decided, and how models were found and traced",
        flags=("-v", "--verbose"),
    )
    quiet: bool = _output(
        False, "flag", "findings only: no summary, no excerpts", flags=("-q", "--quiet")
    )
    colour: str = _output(
        "auto",
        "choice",
        "colour (default: auto, which follows NO_COLOR, FORCE_COLOR, terminals)",
        flags=("--color", "--colour"),
        choices=("auto", "always", "never"),
    )
    docs_url: str = _output(
        "",
        "url",
        "where the pages of rules are, for links in reports and editors: a folder with "
        "rules/BN301/, or an address with {rule} (default: none, no links)",
        config=True,
    )
    editor: str = _output(
        "vscode",
        "editor",
        "what the links of an HTML page open: vscode, vscodium, cursor, windsurf, zed, idea, "
        "pycharm, none, or a template with {path} or {relative}, {line}, {column} "
        "(default: vscode)",
        config=True,
    )
    exit_zero: bool = _output(False, "flag", "exit with 0 even if there are findings")

    allow_unchecked: bool = _output(
        False,
        "flag",
        "report files that cannot be checked, but don't fail because of them",
        config=True,
    )

    baseline: str = _known("", "path", "hide findings listed in FILE", metavar="FILE")
    since: str = _known(
        "",
        "word",
        "only report findings on lines changed since REV; 'main...' compares "
        "with the point where this branch left main",
        metavar="REV",
        config=False,
    )

    diff: bool = _fixes(
        False, "flag", "show verified fixes as a diff, change nothing", config=False
    )
    fix: bool = _fixes(False, "flag", "apply verified fixes", config=False)
    unsafe_fixes: bool = _fixes(
        False, "flag", "with --diff or --fix: include fixes that change behavior or checkpoints"
    )

    add_ignores: str = _fixes(
        "",
        "word",
        "write a suppression comment with this reason at every finding",
        metavar="REASON",
        config=False,
    )

    jobs: int = _limits(
        0,
        "count",
        "number of files checked in parallel (default: 0, one per core)",
        flags=("-j", "--jobs"),
    )
    timeout: float = _limits(
        60.0, "seconds", "seconds a file may take (default: 60; 0 for no limit)", decides="graph"
    )
    max_memory: int = _limits(
        4 << 30, "size", "memory a file may take (default: 4GiB; 0 for no limit)", decides="graph"
    )
    sandbox: str = _limits(
        "auto",
        "choice",
        "forbid files to write outside a temporary folder, to connect and to signal others"
        " (Linux, the sandbox extra): auto (default) where that is possible, on, or off",
        choices=("auto", "on", "off"),
        decides="graph",
    )
    cache_dir: str = _limits(
        ".bnlint_cache",
        "path",
        "where results are kept (default: .bnlint_cache beside the config file)",
        metavar="DIR",
    )
    cache: bool = _limits(
        True, "off-flag", "neither read nor write the cache", flags=("--no-cache",)
    )

    config: str = _sources(
        "",
        "word",
        "read this file instead of the nearest pyproject.toml or bnlint.toml",
        metavar="FILE",
    )
    isolated: bool = _sources(False, "flag", "read no config file")
    show_settings: bool = _sources(False, "flag", "print every setting and where it comes from")

    @property
    def draws_graphs(self) -> bool:
        """True when an output shows the graphs of models; otherwise a report need not hold them."""
        return any(format_named(output.format).graphs for output in self.formats)

    def for_rules(self) -> dict[str, Value]:
        """The settings that rules read as ``$settings.<name>``, by that name."""
        return {key: getattr(self, name) for key, name in RULE_SETTINGS.items()}

    def key(self, stage: str) -> str:
        """Canonical text of the settings that decide a stage (graph or findings), for caching."""
        chosen = {
            name: encode(getattr(self, name))
            for name, option in OPTIONS.items()
            if option.decides == stage
        }
        return json.dumps(chosen, sort_keys=True)


OPTIONS = options_of(Settings)
"""Every option by field name."""

CONFIG_KEYS: Mapping[str, str] = {
    ("inputs" if name == "inputs_for" else name.replace("_", "-")): name
    for name, option in OPTIONS.items()
    if option.config
}
"""Field names by their key in the config file."""

RULE_SETTINGS: Mapping[str, str] = {
    name.replace("_", "-"): name for name, option in OPTIONS.items() if option.for_rules
}
"""Field names of the settings that rules read, by their name in a rule."""


def flag_of(name: str) -> str:
    """The option that sets a field on the command line, or the field where there is none."""
    return next((flag for flag in OPTIONS[name].flags if flag.startswith("--")), name)
