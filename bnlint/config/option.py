"""What a setting is: how it is spelled, the small types that settings hold, and how it is read.

A reader turns a value from TOML or the command line into the typed one. It never raises: it
complains at its place and returns an empty value, so that one run shows every mistake. The command
line only has strings, so readers accept the text of a number too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bnlint.domain.phrases import closest
from bnlint.domain.request import InputSpec, ModelSpec
from bnlint.report import format_names
from bnlint.report.editor_links import editor_mistake

SEVERITIES = ("error", "warning", "info", "off")
_METAVARS = {
    "words": "RULES",
    "globs": "GLOB",
    "patterns": "GLOB",
    "inputs": "SHAPE",
    "formats": "NAME[=FILE]",
    "count": "N",
    "seconds": "SECONDS",
    "size": "SIZE",
    "url": "URL",
    "editor": "EDITOR",
}
"""What help calls a value, by the kind of its option."""
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is spelled and read.

    ``kind`` names the reader. ``flags`` are its spellings on the command line
    (none: config file only). ``config`` says whether the config file may hold it, and ``adds``
    whether the command line adds to the config file instead of replacing it. ``decides`` names the
    result that depends on it: ``graph`` (tracing), ``findings`` (rules), or nothing (output only).
    Conditions of rules can read those ``for_rules``.
    """

    kind: str
    help: str
    group: str = ""
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
    metadata = {"option": {"metavar": _METAVARS.get(kind, ""), "kind": kind, "help": help, **rest}}
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


@dataclass(frozen=True, slots=True)
class Complaint:
    """A mistake at a path of keys; ``value`` narrows the place to a string within the value."""

    path: tuple[str, ...]
    message: str
    hint: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class At:
    """The place of a value; it collects complaints, so that all mistakes are shown at once."""

    path: tuple[str, ...]
    complaints: list[Complaint] = field(default_factory=list)

    def fail(self, message: str, hint: str = "", value: object = None) -> None:
        """Record a mistake here."""
        text = value if isinstance(value, str) else None
        self.complaints.append(Complaint(self.path, message, hint, text))

    def under(self, key: str) -> At:
        """The place of a nested key, with the same list of complaints."""
        return At((*self.path, key), self.complaints)


def strings(value: Any, at: At) -> tuple[str, ...]:
    """A list of strings; a single string counts as a list of one."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list):
        at.fail(f"expected a list of strings, got {_kind(value)}")
        return ()
    for item in items:
        if not isinstance(item, str):
            at.fail(f"expected strings, got {_kind(item)}: {item}")
    return tuple(item for item in items if isinstance(item, str))


def words(value: Any, at: At) -> tuple[str, ...]:
    """Strings split at commas, without blanks around them and without repetitions."""
    parts = (part.strip() for item in strings(value, at) for part in item.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def word(value: Any, at: At) -> str:
    """One string."""
    if isinstance(value, str):
        return value
    at.fail(f"expected a string, got {_kind(value)}")
    return ""


def url(value: Any, at: At) -> str:
    """A web address, or one of a local file."""
    text = word(value, at)
    if text and not re.match(r"(https?|file)://", text):
        at.fail(f"'{text}' is not an address", "write it like https://example.org/docs", text)
    return text


def editor(value: Any, at: At) -> str:
    """The name of an editor, or a template of addresses that open a file in one."""
    text = word(value, at)
    message, hint = editor_mistake(text) if text else ("", "")
    if message:
        at.fail(message, hint, text)
    return text


def choice(value: Any, at: At, option: Option) -> str:
    """One of the option's choices."""
    text = word(value, at)
    if isinstance(value, str) and text not in option.choices:
        message = f"'{text}' is not one of {', '.join(option.choices)}"
        at.fail(message, closest(text, option.choices), text)
    return text


def flag(value: Any, at: At) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        at.fail(f"expected true or false, got {_kind(value)}")
    return value is True


def count(value: Any, at: At) -> int:
    """A whole number that is not negative."""
    number = _number(value)
    if number is None or number != int(number):
        at.fail(f"expected a whole number, 0 or more, got '{value}'", value=value)
        return 0
    return int(number)


def seconds(value: Any, at: At) -> float:
    """A number of seconds that is not negative."""
    number = _number(value)
    if number is None:
        at.fail(f"expected a number of seconds, 0 or more, got '{value}'", value=value)
        return 0.0
    return float(number)


def size(value: Any, at: At) -> int:
    """Bytes, from a number or from text such as ``4GiB``, ``512 MB`` or ``2g``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        at.fail(f"'{value}' is not a size", "write it like 4GiB, 512MB or 0 for no limit", value)
        return 0
    # "GB" is a power of ten, "GiB" and a bare "G" are powers of two, as in most tools.
    decimal = not found[3] and value.strip()[-1:] in "bB" and bool(found[2])
    return int(float(found[1]) * (1000 if decimal else 1024) ** _POWERS[found[2].lower()])


def severities(value: Any, at: At) -> Mapping[str, str]:
    """A table of rule to severity; on the command line, texts such as ``BN301=error``."""
    if isinstance(value, list):
        value = dict(_pairs(strings(value, at), at))
    if not isinstance(value, dict):
        at.fail(f"expected a table of rule = severity, got {_kind(value)}")
        return {}
    for rule, severity in value.items():
        if severity not in SEVERITIES:
            at.under(rule).fail(
                f"severity of {rule}: '{severity}' is not one of {', '.join(SEVERITIES)}",
                closest(str(severity), SEVERITIES) if isinstance(severity, str) else "",
                severity,
            )
    return {str(k): v for k, v in value.items() if v in SEVERITIES}


def _pairs(texts: Iterable[str], at: At) -> Iterator[tuple[str, str]]:
    for text in ",".join(texts).split(","):
        rule, equals, severity = text.partition("=")
        if equals:
            yield rule.strip(), severity.strip()
        else:
            at.fail(f"'{text}' is not RULE=LEVEL", "write it like BN301=error", text)


def outputs(value: Any, at: At) -> tuple[Output, ...]:
    """Formats, each with the file after ``=`` that it goes to."""
    found = []
    for text in strings(value, at):
        name, _, path = text.partition("=")
        if name not in format_names():
            at.fail(f"no format is called '{name}'", closest(name, format_names()), text)
        found.append(Output(name, "" if path == "-" else path))
    if sum(not output.path for output in found) > 1:
        at.fail("two formats for standard output", "send one to a file: --format sarif=out.sarif")
    return tuple(found)


def resolved(text: str, base: Path) -> str:
    """The path as an absolute one, relative to ``base``; nothing stays nothing."""
    return str(base / Path(text).expanduser()) if text else ""


def _number(value: Any) -> float | None:
    """The value as a finite number that is not negative."""
    try:
        number = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < float("inf") else None


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a table" if isinstance(value, dict) else "something else")


READERS: Mapping[str, Callable[[Any, At], Any]] = {
    "words": words,
    "word": word,
    "url": url,
    "editor": editor,
    "patterns": strings,
    "flag": flag,
    "off-flag": flag,
    "count": count,
    "seconds": seconds,
    "size": size,
    "severities": severities,
    "formats": outputs,
}
"""Readers of plain values by the kind of an option; choices and paths need more than the value."""
