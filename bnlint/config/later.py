"""Mistakes in settings that only show once more is known: the rules, the kinds of layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bnlint.config.complaints import Complaint
from bnlint.config.files import ConfigFile, read_config
from bnlint.config.load import flag_of, mistake_in
from bnlint.config.settings import CONFIG_KEYS, Settings
from bnlint.domain.errors import BnlintError, ConfigError, Mistake, UsageError


def refuse(settings: Settings, complaints: Iterable[Complaint]) -> None:
    """Nothing when there is nothing to complain about.

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
    """True when what is complained about stands in the file, and not on the command line."""
    value = file.table.get(complaint.path[0])
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",")]
    if isinstance(value, list) and complaint.value is not None:
        return complaint.value in value
    return value is not None
