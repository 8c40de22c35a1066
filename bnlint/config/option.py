"""How a setting is defined, and the small types that settings hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bnlint.domain.request import InputSpec, ModelSpec

SEVERITIES = ("error", "warning", "info", "off")
PLACEMENTS = ("before-activation", "after-activation", "any")
FAIL_ON = ("error", "warning", "info")
COLOURS = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is spelled and read.

    ``kind`` names the reader in ``config.values``. ``flags`` are its spellings on the command line
    (none: config file only), ``config`` says whether the config file may hold it, ``adds`` whether
    the command line adds to the config file instead of replacing it. ``decides`` names what hangs
    on it: ``graph`` (tracing), ``findings`` (rules), or nothing (only how results are shown).
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
    """A dataclass field that carries its :class:`Option`."""
    metadata = {"option": Option(kind, help, **rest)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)
