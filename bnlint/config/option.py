"""How a setting is defined, and the small types that settings hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from bnlint.domain.request import InputSpec, ModelSpec

SEVERITIES = ("error", "warning", "info", "off")
PLACEMENTS = ("before-activation", "after-activation", "any")
FAIL_ON = ("error", "warning", "info")
COLOURS = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is spelled and read.

    ``kind`` names the reader in ``config.load``. ``flags`` are its spellings on the command line
    (none: config file only). ``config`` says whether the config file may hold it, and ``adds``
    whether the command line adds to the config file instead of replacing it. ``decides`` names the
    result that depends on it: ``graph`` (tracing), ``findings`` (rules), or nothing (output only).
    Conditions of rules can read those ``for_rules``.
    """

    kind: str
    help: str
    group: str = "More"
    flags: tuple[str, ...] = ()
    metavar: str = ""
    choices: tuple[str, ...] = ()
    config: bool = True
    adds: bool = False
    decides: str = ""
    for_rules: bool = False


@dataclass(frozen=True, slots=True)
class ModelsFor:
    """The declared models of the files that match ``glob`` (posix, relative to the root)."""

    glob: str
    models: tuple[ModelSpec, ...]


@dataclass(frozen=True, slots=True)
class InputsFor:
    """The declared inputs of the models in files that match ``glob``; ``model`` narrows it."""

    glob: str
    inputs: tuple[InputSpec, ...]
    model: str = ""


@dataclass(frozen=True, slots=True)
class PerFile:
    """What differs for the files that match ``glob``."""

    glob: str
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output:
    """A report to render: its format and the file it goes to (empty: standard output)."""

    format: str
    path: str = ""


def option(default: Any, kind: str, help: str, **rest: Any) -> Any:
    """A dataclass field with what its :class:`Option` is built from."""
    if rest.get("for_rules"):
        rest["decides"] = "findings"
    metadata = {"option": {"kind": kind, "help": help, **rest}}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def options_of(kind: type[Any]) -> Mapping[str, Option]:
    """The options of a dataclass by field name; the flag is derived unless it is given."""
    return {
        f.name: Option(**{"flags": (f"--{f.name.replace('_', '-')}",)} | f.metadata["option"])
        for f in fields(kind)
        if "option" in f.metadata
    }
