"""The output formats: every module of this folder is one, and its name is the format's name.

A module declares a ``FORMAT``, which is all that the command line, the config reader and the Python
API know about it. Names come from the files, so that listing them imports no format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnlint.domain.finding import Report
    from bnlint.report import RenderOptions

_SHOWN_FIRST = ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "html")
"""The order in which help lists formats; one that is not named here follows."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a format is: its function, and what others must know to use it.

    ``complete`` formats report problems themselves, so that nothing is left to say beside them.
    Those that need ``rules`` show texts of rules, and those that draw ``graphs`` need the graphs
    and the chapters of a page. ``checkout`` names the environment variable of a service that holds
    the folder of the repository, from which that service reads paths.
    """

    render: Callable[[Report, RenderOptions], str]
    complete: bool = False
    rules: bool = False
    graphs: bool = False
    checkout: str = ""


@cache
def format_names() -> tuple[str, ...]:
    """The names of all formats, in the order in which help lists them."""
    names = sorted(p.stem for p in Path(__file__).parent.iterdir() if p.name[0] not in "._")
    first = [name for name in _SHOWN_FIRST if name in names]
    return (*first, *(name for name in names if name not in first))


def format_named(name: str) -> Format:
    """The format of that name, imported at the first request: a run uses one or two.

    Raises
    ------
    UsageError
        When there is no such format.

    """
    if name not in format_names():
        from bnlint.domain.errors import Mistake, UsageError

        known = f"known: {', '.join(format_names())}"
        raise UsageError(Mistake(f"no format is called '{name}'", hint=known))
    found: Format = import_module(f"{__name__}.{name}").FORMAT
    return found


def render(name: str, report: Report, options: RenderOptions | None = None) -> str:
    """The report in the format ``name``, ending with a newline.

    Raises
    ------
    UsageError
        When there is no such format.

    """
    from bnlint.report import RenderOptions

    return format_named(name).render(report, options or RenderOptions())
