"""Settings as people write them: options, config file, and the text of ``--show-settings``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnlint.config.config_file import ConfigFile, locate, mistake_in, nearest, read_config
from bnlint.config.option import (
    READERS,
    At,
    Complaint,
    InputsFor,
    ModelsFor,
    Option,
    Output,
    PerFile,
    choice,
    resolved,
    strings,
    word,
)
from bnlint.config.settings import CONFIG_KEYS, OPTIONS, Settings, flag_of
from bnlint.domain.codec import encode
from bnlint.domain.errors import BnlintError, ConfigError, Mistake, UsageError
from bnlint.domain.phrases import closest
from bnlint.domain.request import InputSpec, ModelSpec

if TYPE_CHECKING:
    from argparse import ArgumentParser


_KEYS = {name: key for key, name in CONFIG_KEYS.items()}
_REPEATED = ("words", "globs", "patterns", "formats", "inputs", "severities")


def load_settings(arguments: Mapping[str, Any], cwd: Path | None = None) -> Settings:
    """The settings of a run, from what was given by field name and from the config file.

    ``arguments`` holds only what was given (command line or Python API): strings and lists of
    strings are read as on the command line. ``paths`` in it are the files to check. The config file
    is ``config``, none when ``isolated``, else the nearest one from the first path upwards.

    Raises
    ------
    ConfigError
        With every mistake of the config file.
    UsageError
        With every mistake of the arguments.

    """
    cwd = (cwd or Path.cwd()).resolve()
    given = _from_arguments(arguments, cwd)
    paths = tuple(map(str, arguments.get("paths", ())))
    file = _config_file(given, paths, cwd)
    root = file.path.parent.resolve() if file else cwd
    configured, origins = _from_file(file, root) if file else ({}, {})
    merged = dict(configured)
    for name, value in given.items():
        adds = OPTIONS[name].adds and name in configured
        merged[name] = _added(configured[name], value) if adds else value
        origins[name] = f"{origins[name]} + arguments" if adds else "arguments"
    if "cache_dir" not in merged:
        merged["cache_dir"] = str(root / ".bnlint_cache")
    config_file = str(file.path) if file else ""
    return Settings(paths, str(root), config_file, origins, **merged)


def _added(configured: Any, given: Any) -> Any:
    """What the command line adds to the config file; in a table it replaces the same keys."""
    return {**configured, **given} if isinstance(given, dict) else (*configured, *given)


def refuse(settings: Settings, complaints: Iterable[Complaint]) -> None:
    """Raises an error with the complaints, if any, that only rules and kinds of layers reveal.

    The path of a complaint begins with a key of the config file.

    Raises
    ------
    ConfigError, UsageError
        With every complaint, at its place in the config file or with its option.

    """
    found = tuple(complaints)
    if not found:
        return
    file = read_config(Path(settings.config_file)) if settings.config_file else None
    kind: type[BnlintError] = ConfigError
    mistakes = []
    for complaint in found:
        if file and _is_from(file, complaint):
            path = (*file.prefix, *complaint.path)
            mistakes.append(mistake_in(file, replace(complaint, path=path)))
        else:
            kind = UsageError
            flag = flag_of(CONFIG_KEYS[complaint.path[0]])
            mistakes.append(Mistake(f"{flag}: {complaint.message}", hint=complaint.hint))
    raise kind(*mistakes)


def _is_from(file: ConfigFile, complaint: Complaint) -> bool:
    """True when the value complained about comes from the file, not from the command line."""
    value = file.table.get(complaint.path[0])
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if isinstance(value, list) and complaint.value is not None:
        return complaint.value in value
    if isinstance(value, dict):
        return complaint.path[1] in value
    return value is not None


def _config_file(given: Mapping[str, Any], paths: tuple[str, ...], cwd: Path) -> ConfigFile | None:
    if given.get("isolated"):
        return None
    if named := given.get("config"):
        path = cwd / Path(named).expanduser()
        if not path.is_file():
            raise UsageError(f"--config: there is no file {named}")
        return read_config(path, named=True)
    return nearest(paths, given.get("stdin_filename", ""), cwd)


def _from_arguments(arguments: Mapping[str, Any], cwd: Path) -> dict[str, Any]:
    """The typed values of the arguments; raises UsageError with all that is wrong."""
    complaints: list[Complaint] = []
    read: dict[str, Any] = {}
    for name, value in arguments.items():
        if name == "paths" or value is None:
            continue
        if name not in OPTIONS:
            hint = closest(name, OPTIONS, most=0)
            complaints.append(Complaint((name,), f"no setting is called {name}", hint))
            continue
        read[name] = _read(name, value, At((flag_of(name),), complaints), cwd)
    if complaints:
        raise UsageError(*(Mistake(f"{c.path[0]}: {c.message}", hint=c.hint) for c in complaints))
    return read


def _from_file(file: ConfigFile, root: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The config file's typed values and their places; raises ConfigError with all mistakes."""
    complaints: list[Complaint] = []
    read: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, value in file.table.items():
        at = At((*file.prefix, key), complaints)
        name = CONFIG_KEYS.get(key)
        if name is None:
            hint = closest(key.replace("_", "-"), CONFIG_KEYS)
            option = OPTIONS.get(key.replace("-", "_"))
            if option and not option.config:
                hint = f"'{key}' can only be given on the command line"
            at.fail(f"unknown setting '{key}'", hint)
            continue
        read[name] = _read(name, value, at, root)
        origins[name] = f"{file.path.name}:{locate(file.text, at.path)[0]}"
    if complaints:
        mistakes = [mistake_in(file, complaint) for complaint in complaints]
        raise ConfigError(*sorted(mistakes, key=attrgetter("location")))
    return read, origins


def _read(name: str, value: Any, at: At, base: Path) -> Any:
    """The typed value of a setting; paths are made absolute from ``base``."""
    option = OPTIONS[name]
    if isinstance(value, tuple):
        value = list(value)
    if option.kind == "choice":
        return choice(value, at, option)
    if option.kind == "path":
        return resolved(word(value, at), base)
    if option.kind == "globs":
        return tuple(resolved(text, base) for text in strings(value, at))
    if option.kind in READERS:
        return READERS[option.kind](value, at)
    # Few runs declare a table, and importing its readers costs more than all others together.
    from bnlint.config.declared import TABLES

    return TABLES[option.kind](value, at)


def add_options(parser: ArgumentParser, names: Iterable[str] | None = None) -> None:
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
        groups[option.group].add_argument(*option.flags, dest=name, **_keywords(option))


def _keywords(option: Option) -> dict[str, Any]:
    from argparse import SUPPRESS

    keywords = {"default": SUPPRESS, "help": option.help}
    if option.kind in ("flag", "off-flag"):
        return keywords | {"action": "store_true" if option.kind == "flag" else "store_false"}
    # Choices are checked together with all other values, so that one run shows every mistake.
    metavar = option.metavar or "{" + ",".join(option.choices) + "}"
    return keywords | {
        "metavar": metavar,
        "action": "append" if option.kind in _REPEATED else "store",
    }


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
