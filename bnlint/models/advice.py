"""The shortest command that would build a model, with dots for what is not known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bnlint.models.evidence.plain_values import Later
from bnlint.models.guessing.arguments.blamed import blamed, spots_of
from bnlint.models.guessing.arguments.of_constructor import CallEvidence, known_values
from bnlint.models.guessing.guess import Guess
from bnlint.models.survey import Maker

_UNKNOWN = "..."
_MOST = 8
"""Arguments that are written; a call with more has dots for the rest."""


def command(
    maker: Maker, evidence: CallEvidence, failed: tuple[Guess, BaseException] | None
) -> str:
    """What to type: ``bnlint 'net.py::Net(cfg=Cfg(), backbone=...)'``; empty without arguments.

    After a call that ``failed``, its arguments are written, but for those that the error is about.
    """
    if not maker.required:
        return ""
    if failed is None:
        values, doubted = known_values(maker, evidence), set[str]()
    else:
        guess, error = failed
        names = [p.name for p in maker.parameters]
        values = {**dict(zip(names, guess.args, strict=False)), **guess.kwargs}
        doubted = _doubted(guess, error)
    wanted = [p.name for p in maker.required]
    texts = [
        f"{name}={_UNKNOWN if name in doubted else _written(values.get(name, ...), evidence.names)}"
        for name in wanted[:_MOST]
    ]
    texts += [_UNKNOWN] if len(wanted) > _MOST else []
    return f"bnlint '{evidence.source.name}::{maker.name}({', '.join(texts)})'"


def _doubted(guess: Guess, error: BaseException) -> set[str]:
    """The guessed arguments that an error is about; all of them if it does not say."""
    guessed = {name.partition(".")[0] for name in guess.assumed()}
    found = {path[0] for fault in blamed(spots_of(error)) for path in fault.paths}
    return guessed & found or guessed


def _written(value: Any, names: Mapping[str, Any]) -> str:
    """A value as a shell can take it in single quotes; dots for what has no such text."""
    if isinstance(value, str):
        return json.dumps(value) if "'" not in value else _UNKNOWN
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if type(value) in (list, tuple):
        texts = [_written(entry, names) for entry in value]
        left, right = "[]" if type(value) is list else "()"
        comma = "," if type(value) is tuple and len(texts) == 1 else ""
        return _UNKNOWN if _UNKNOWN in texts else f"{left}{', '.join(texts)}{comma}{right}"
    if isinstance(value, Later):
        known = all(names.get(n) is v for n, v in value.names.items() if n in value.text)
        return value.text if known and "'" not in value.text else _UNKNOWN
    name = getattr(value, "__name__", "")
    return name if name and names.get(name) is value else _UNKNOWN
