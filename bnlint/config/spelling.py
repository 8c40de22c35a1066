"""How people meet settings: the options of the command line, the text of ``--show-settings``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import Any

from bnlint.config.option import InputsFor, ModelsFor, Option, Output, PerFile
from bnlint.config.settings import CONFIG_KEYS, OPTIONS, Settings, flag_of
from bnlint.domain.codec import encode
from bnlint.domain.request import InputSpec, ModelSpec

_KEYS = {name: key for key, name in CONFIG_KEYS.items()}
_REPEATED = ("words", "globs", "patterns", "formats", "inputs")


def add_options(parser: argparse.ArgumentParser, names: Iterable[str] | None = None) -> None:
    """Adds the options of ``names`` (default: all that have a flag), under their headings.

    An option that is not given sets no attribute, so that defaults never override the config file.
    """
    wanted = set(OPTIONS) if names is None else set(names)
    groups: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        if not option.flags or name not in wanted:
            continue
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        _add(groups[option.group], name, option)


def _add(group: Any, name: str, option: Option) -> None:
    """Adds one option with the action that its kind needs."""
    settings: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": option.help}
    if option.kind in ("flag", "off-flag"):
        settings["action"] = "store_true" if option.kind == "flag" else "store_false"
    else:
        # Choices are checked together with all other values, so that one run shows every mistake.
        settings["metavar"] = option.metavar or "{" + ",".join(option.choices) + "}"
        settings["action"] = "append" if option.kind in _REPEATED else "store"
    group.add_argument(*option.flags, **settings)


def show_settings(settings: Settings) -> str:
    """Every setting with its value and where it comes from, one per line.

    Names are keys of the config file, or options that only the command line has.
    """
    lines = [f"# root: {settings.root}", f"# config file: {settings.config_file or 'none'}"]
    for name in OPTIONS:
        value = json.dumps(_written(name, getattr(settings, name)), ensure_ascii=False)
        origin = settings.origins.get(name, "default")
        lines.append(f"{_KEYS.get(name) or flag_of(name)} = {value}  # {origin}")
    return "\n".join(lines) + "\n"


def _written(name: str, value: Any) -> Any:
    """The value as people write it: tables for rows, texts for inputs and calls."""
    if name == "layers":
        return dict(value)
    if not isinstance(value, tuple):
        return encode(value)
    items = [_item(each) for each in value]
    rows = [each for each in items if isinstance(each, dict)]
    return {key: row[key] for row in rows for key in row} if rows else items


def _item(value: Any) -> Any:
    match value:
        case InputSpec():
            return value.written()
        case ModelSpec():
            inputs = [each.written() for each in value.inputs]
            return {"call": value.call, "inputs": inputs} if inputs else value.call
        case Output():
            return f"{value.format}={value.path}" if value.path else value.format
        case InputsFor():
            key = f"{value.glob}::{value.model}" if value.model else value.glob
            return {key: [each.written() for each in value.inputs]}
        case ModelsFor():
            return {value.glob: [_item(each) for each in value.models]}
        case PerFile():
            both = {"ignore": list(value.ignore), "severity": dict(value.severity)}
            return {value.glob: {key: each for key, each in both.items() if each}}
    return encode(value)
