"""One file for each way to mend a finding; see ``domain.rule.FIX_ACTIONS``."""

from __future__ import annotations

from collections.abc import Mapping

from bnlint.fixes.edits.arguments import move_argument, set_argument
from bnlint.fixes.edits.registering import comprehension, module_list
from bnlint.fixes.edits.remove import remove
from bnlint.fixes.edits.rename import rename_call
from bnlint.fixes.edits.swap import swap
from bnlint.fixes.plan import Action

ACTIONS: Mapping[str, Action] = {
    "set-argument": set_argument,
    "move-argument": move_argument,
    "rename-call": rename_call,
    "swap": swap,
    "remove": remove,
    "module-list": module_list,
    "comprehension": comprehension,
}
"""Actions by the name that rules use."""
