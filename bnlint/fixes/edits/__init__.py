"""One file for each way to mend a finding; see ``domain.rule.FIX_ACTIONS``."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.fixes.edits.arguments import move_argument, set_argument
from bnlint.fixes.plan import Action

ACTIONS: Mapping[str, Action] = {
    "set-argument": set_argument,
    "move-argument": move_argument,
}
"""Actions by the name that rules use."""
