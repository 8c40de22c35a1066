"""How far a run came with the main model of its file, and why no further."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .main_model import main_model, names_for
from .outline import outline
from .reasons import normalize
from .run import TIMEOUT, Run

STAGES = ("imported", "main model built", "traced whole", "right shapes")
"""In their order: a file that is not imported has reached 0 of them."""

_NOT_IMPORTED = frozenset(
    {"import-failed", "syntax-error", "unreadable", "not-found"}
    | {"exit", "timeout", "memory", "download"}
)
"""Kinds of problems that, said of a file whole, mean that no model of it was there."""

_BUILT = frozenset({"untraceable", "bad-input"})
"""Kinds of problems that are said of a model that was built."""

_ASIDE = frozenset({"weights", "opaque-part", "stubbed-import", "skipped-code"})
"""Kinds of problems that do not say why a model was not built."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many of the stages a file reached, and the reason why not the next (empty at the end)."""

    file: str
    main: str
    reached: int
    reason: str = ""
    detail: str = ""
    """The reason in its own words; for the one who measures, not for the document."""


def outcome(run: Run, text: str) -> Outcome | None:
    """What became of a file's main model; None for a file without one."""
    try:
        found = outline(text)
    except SyntaxError:
        return None
    main = main_model(found)
    if main is None:
        return None
    reached, reason, detail = _judge(run, names_for(found, main))
    known = frozenset({*found.classes, *found.functions})
    detail = " ".join(detail.split())
    words = f"{reason}: {normalize(detail, known)}" if detail else reason
    return Outcome(run.file, main, reached, words, detail)


def funnel(outcomes: Iterable[Outcome]) -> list[int]:
    """How many files reached each stage."""
    reached = [o.reached for o in outcomes]
    return [sum(r > stage for r in reached) for stage in range(len(STAGES))]


def _judge(run: Run, names: frozenset[str]) -> tuple[int, str, str]:
    """The stages reached, the kind of what stopped it, and what was said of that."""
    if run.exit is None:
        return 0, "timeout", f"not finished in {TIMEOUT:g} s"
    if not run.report:
        return 0, "no report", run.stderr.strip().rpartition("\n")[2]
    models, problems = run.report["models"], run.report["problems"]
    whole_file = [p for p in problems if p["blocking"] and not p["model"]]
    if not models:
        for problem in whole_file:
            if problem["kind"] in _NOT_IMPORTED:
                return 0, problem["kind"], problem["message"]
    built = [m for m in models if _called(m["name"], names) or _called(m["arguments"], names)]
    said = [p for p in problems if _called(p["model"], names)]
    if not built:
        untraced = [p for p in said if p["kind"] in _BUILT]
        if untraced:
            return 2, untraced[0]["kind"], untraced[0]["message"]
        return 1, *_not_built(said, whole_file)
    whole = [m for m in built if m["complete"]]
    if not whole:
        return 2, "not whole", _unseen(built[0])
    return _shaped(whole, run)


def _called(text: str, names: frozenset[str]) -> bool:
    """True for ``Net``, ``Net(3, 10)`` and ``models.Net(3, 10)`` where ``Net`` is in the names."""
    head = re.match(r"(?:\w+\.)*(\w+)", text)
    return head is not None and head[1] in names


def _not_built(said: list[dict[str, Any]], whole_file: list[dict[str, Any]]) -> tuple[str, str]:
    reasons = [p for p in said if p["kind"] not in _ASIDE] or said
    for problem in (*sorted(reasons, key=lambda p: not p["blocking"]), *whole_file):
        return problem["kind"], problem["message"]
    return "nothing said", ""


def _unseen(model: dict[str, Any]) -> str:
    parts = model["opaque"]
    reasons = [part["reason"] for part in parts if not part["path"]] or [p["reason"] for p in parts]
    return reasons[0] if reasons else "no reason given"


def _shaped(whole: list[dict[str, Any]], run: Run) -> tuple[int, str, str]:
    graphs = [facts for model in whole for facts in run.shapes.get(model["name"], [])]
    for facts in graphs:
        if facts["ops"] and not facts["unknown"] and not facts["errors"]:
            return 4, "", ""
    errors = [error for facts in graphs for error in facts["errors"]]
    if errors:
        return 3, "an operation fails", errors[0]
    if whole[0]["inputs"]["source"] == "none":
        return 3, "no input known", ""
    kinds = [kind for facts in graphs for kind in facts["unknown"]]
    return 3, "unknown shapes", f"first after {kinds[0]}" if kinds else "no graph"
