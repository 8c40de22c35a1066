"""Notebooks saved as scripts: their magics are calls of a function that only notebooks have."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

_MAGICS = re.compile(r"\bget_ipython\(\)\.(run_line_magic|run_cell_magic|system|getoutput|magic)\(")


class _NoShell:
    """Takes every magic and does nothing."""

    def _nothing(self, *_: Any, **__: Any) -> None:
        return None

    run_line_magic = run_cell_magic = system = magic = _nothing

    def getoutput(self, *_: Any, **__: Any) -> list[str]:
        """No lines: no command is run."""
        return []


def lend_shell(module: ModuleType, text: str) -> None:
    """Give a module that uses magics (``%matplotlib``, ``!pip``) something that takes them.

    A file that only asks whether it is in a notebook gets the answer it would get as a script.
    """
    if _MAGICS.search(text):
        vars(module).setdefault("get_ipython", _NoShell)
