"""Every option of bnlint, defined once: the parser, the config reader and the docs read it here."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bnlint.config.option import (
    COLOURS,
    FAIL_ON,
    PLACEMENTS,
    InputsFor,
    ModelsFor,
    Option,
    Output,
    PerFile,
    option,
)
from bnlint.domain.codec import encode
from bnlint.domain.request import InputSpec

_R, _M, _O, _L, _C = "Rules", "Models and inputs", "Output", "Cache, jobs and limits", "Config"
_F = "Findings already known"
_W = "Fixes"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run; a field's metadata says how it is spelled and what it means.

    ``root`` is the folder that paths in the config file, and in reports of machines, are relative
    to: where the config file lies, else the working directory. ``origins`` says for each setting
    that is not a default where it came from.
    """

    paths: tuple[str, ...] = ()
    root: str = "."
    config_file: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)

    select: tuple[str, ...] = option(
        (),
        "words",
        "run only these rules: ids, prefixes or names, separated by commas",
        group=_R,
        flags=("--select",),
        metavar="RULES",
        decides="findings",
    )
    ignore: tuple[str, ...] = option(
        (),
        "words",
        "leave these rules out, in addition to those the config file leaves out",
        group=_R,
        flags=("--ignore",),
        metavar="RULES",
        adds=True,
        decides="findings",
    )
    rules: tuple[str, ...] = option(
        (),
        "globs",
        "files with rules of your own (repeatable, globs)",
        group=_R,
        flags=("--rules",),
        metavar="GLOB",
        adds=True,
    )
    severity: Mapping[str, str] = option(
        {},
        "severities",
        "severity by rule id, prefix or name: error, warning, info or off",
        group=_R,
        decides="findings",
    )
    fail_on: str = option(
        "warning",
        "choice",
        "the lightest severity that ends in exit code 1 (default: warning)",
        group=_R,
        flags=("--fail-on",),
        choices=FAIL_ON,
    )
    norm_placement: str = option(
        "before-activation",
        "choice",
        "where your house style puts norms",
        group=_R,
        flags=("--norm-placement",),
        choices=PLACEMENTS,
        decides="findings",
    )
    per_file: tuple[PerFile, ...] = option(
        (),
        "per-file",
        "ignore and severity for files that match a glob",
        group=_R,
        decides="findings",
    )

    inputs: tuple[InputSpec, ...] = option(
        (),
        "inputs",
        "an input by hand: 1x3x224x224, 8x16:int64 or mask=8x16:bool (repeatable)",
        group=_M,
        flags=("--input",),
        metavar="SHAPE",
        config=False,
        decides="graph",
    )
    inputs_for: tuple[InputsFor, ...] = option(
        (), "inputs-table", "inputs by file, or by file::Model", group=_M, decides="graph"
    )
    models: tuple[ModelsFor, ...] = option(
        (), "models", "by file: the calls that build its models", group=_M, decides="graph"
    )
    layers: tuple[tuple[str, str], ...] = option(
        (), "layers", "kinds of layers of your own, by dotted type name", group=_M, decides="graph"
    )
    exclude: tuple[str, ...] = option(
        (),
        "patterns",
        "files and folders to leave out (repeatable, globs)",
        group=_M,
        flags=("--exclude",),
        metavar="GLOB",
        adds=True,
    )
    force_exclude: bool = option(
        False,
        "flag",
        "leave excluded files out even when they are named one by one",
        group=_M,
        flags=("--force-exclude",),
    )
    stdin_filename: str = option(
        "",
        "word",
        "the path that standard input (-) stands for",
        group=_M,
        flags=("--stdin-filename",),
        metavar="PATH",
        config=False,
    )
    graph: bool = option(
        False,
        "flag",
        "print every model as a chain of classified operations, and do not lint",
        group=_M,
        flags=("--graph",),
        config=False,
    )

    formats: tuple[Output, ...] = option(
        (Output("text"),),
        "formats",
        "text, concise, json, sarif, github, gitlab, junit or html; "
        "with =FILE into a file (repeatable)",
        group=_O,
        flags=("--format",),
        metavar="NAME[=FILE]",
        config=False,
    )
    verbose: bool = option(
        False,
        "flag",
        "also say what could not be decided, and how models were found and traced",
        group=_O,
        flags=("-v", "--verbose"),
        config=False,
    )
    quiet: bool = option(
        False,
        "flag",
        "findings only: no summary, no excerpts",
        group=_O,
        flags=("-q", "--quiet"),
        config=False,
    )
    colour: str = option(
        "auto",
        "choice",
        "colour (default: auto, which follows NO_COLOR, FORCE_COLOR, terminals)",
        group=_O,
        flags=("--color", "--colour"),
        choices=COLOURS,
        config=False,
    )
    exit_zero: bool = option(
        False,
        "flag",
        "exit with 0 in spite of findings",
        group=_O,
        flags=("--exit-zero",),
        config=False,
    )

    allow_unchecked: bool = option(
        False,
        "flag",
        "a file that could not be checked is told, and does not end in exit code 2",
        group=_O,
        flags=("--allow-unchecked",),
    )

    baseline: str = option(
        "",
        "path",
        "hold back the findings that this file lists",
        group=_F,
        flags=("--baseline",),
        metavar="FILE",
    )
    since: str = option(
        "",
        "word",
        "report only what the lines changed since a git revision bring; 'main...' "
        "compares with the point where this branch left main",
        group=_F,
        flags=("--since",),
        metavar="REV",
        config=False,
    )

    diff: bool = option(
        False,
        "flag",
        "show proved fixes as a diff and change nothing",
        group=_W,
        flags=("--diff",),
        config=False,
    )
    fix: bool = option(
        False, "flag", "apply proved fixes", group=_W, flags=("--fix",), config=False
    )
    unsafe_fixes: bool = option(
        False,
        "flag",
        "with --diff or --fix: also those that change behaviour or checkpoints",
        group=_W,
        flags=("--unsafe-fixes",),
    )

    jobs: int = option(
        0,
        "count",
        "files checked at the same time (default: 0, as many as there are cores)",
        group=_L,
        flags=("-j", "--jobs"),
        metavar="N",
    )
    timeout: float = option(
        60.0,
        "seconds",
        "seconds a file may take (default: 60; 0 for no limit)",
        group=_L,
        flags=("--timeout",),
        metavar="SECONDS",
        decides="graph",
    )
    max_memory: int = option(
        4 << 30,
        "size",
        "memory a file may take (default: 4GiB; 0 for no limit)",
        group=_L,
        flags=("--max-memory",),
        metavar="SIZE",
        decides="graph",
    )
    cache_dir: str = option(
        ".bnlint_cache",
        "path",
        "where results are kept (default: .bnlint_cache beside the config file)",
        group=_L,
        flags=("--cache-dir",),
        metavar="DIR",
    )
    cache: bool = option(
        True, "off-flag", "neither read nor write the cache", group=_L, flags=("--no-cache",)
    )

    config: str = option(
        "",
        "word",
        "read this file instead of the nearest pyproject.toml or bnlint.toml",
        group=_C,
        flags=("--config",),
        metavar="FILE",
        config=False,
    )
    isolated: bool = option(
        False, "flag", "read no config file", group=_C, flags=("--isolated",), config=False
    )
    show_settings: bool = option(
        False,
        "flag",
        "print every setting and where it comes from",
        group=_C,
        flags=("--show-settings",),
        config=False,
    )

    @property
    def draws_graphs(self) -> bool:
        """True when an output shows the graphs of models, which others need not carry along."""
        return any(output.format == "html" for output in self.formats)

    def key(self, stage: str) -> str:
        """Canonical text of the settings that decide ``stage`` (graph or findings), for caching."""
        chosen = {
            name: encode(getattr(self, name))
            for name, option in OPTIONS.items()
            if option.decides == stage
        }
        return json.dumps(chosen, sort_keys=True)


OPTIONS: Mapping[str, Option] = {
    f.name: f.metadata["option"] for f in dataclasses.fields(Settings) if "option" in f.metadata
}
"""Every option by field name."""

CONFIG_KEYS: Mapping[str, str] = {
    ("inputs" if name == "inputs_for" else name.replace("_", "-")): name
    for name, option in OPTIONS.items()
    if option.config
}
"""Field names by their key in the config file."""
