"""The text of ``--show-settings``."""

from __future__ import annotations

import json
from typing import Any

from bnlint.config.load import flag_of
from bnlint.config.option import InputsFor, ModelsFor, Output, PerFile
from bnlint.config.settings import CONFIG_KEYS, OPTIONS, Settings
from bnlint.domain.codec import encode
from bnlint.domain.request import InputSpec, ModelSpec

_KEYS = {name: key for key, name in CONFIG_KEYS.items()}


def show_settings(settings: Settings) -> str:
    """Every setting with its value and where it comes from, one a line, as it is written.

    Names are keys of the config file, or options where the command line alone has them.
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
