"""The command line's options, built from the fields of :class:`Settings`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from bnlint.config.option import Option
from bnlint.config.settings import OPTIONS

_REPEATED = ("words", "globs", "patterns", "formats", "inputs")


def add_options(parser: argparse.ArgumentParser, names: Iterable[str] | None = None) -> None:
    """Add the options of ``names`` (default: all that have a flag), under their headings.

    An option that is not given leaves no attribute, so that defaults never hide the config file.
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
    """Add one option with the action its kind needs."""
    settings: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": option.help}
    if option.kind in ("flag", "off-flag"):
        settings["action"] = "store_true" if option.kind == "flag" else "store_false"
    else:
        # Choices are checked with all other values, so that every mistake shows at once.
        settings["metavar"] = option.metavar or "{" + ",".join(option.choices) + "}"
        settings["action"] = "append" if option.kind in _REPEATED else "store"
    group.add_argument(*option.flags, **settings)
