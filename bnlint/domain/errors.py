"""The errors that end a run: the user can fix each of them, so each says what, where and how."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from bnlint.domain.graph import Location
from bnlint.domain.phrases import first_line, shortened

_MEMORY_WORDS = (
    "memoryerror",
    "std::bad_alloc",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake: what is wrong, where (if in a file), an excerpt and a suggestion."""

    message: str
    location: Location | None = None
    excerpt: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = self.location
        head = f"{where.path}:{where.line}:{where.column}: " if where else ""
        lines = [head + self.message]
        if self.excerpt and where:
            lines += [f"    {self.excerpt}", "    " + " " * (where.column - 1) + "^"]
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)


class BnlintError(Exception):
    """The base class; carries every mistake that was found, and ends a run with exit code 2.

    ``hint`` is the suggestion for a mistake that is given as a text.
    """

    def __init__(self, *mistakes: Mistake | str, hint: str = "") -> None:
        self.mistakes = tuple(Mistake(m, hint=hint) if isinstance(m, str) else m for m in mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


class UsageError(BnlintError):
    """The command line, or an argument of the Python API, is wrong."""


class ConfigError(BnlintError):
    """The configuration file is wrong."""


class RuleError(BnlintError):
    """A rule file is wrong."""


class ProbeError(BnlintError):
    """The probe cannot run as asked (device, batch, loss, model)."""


class FixError(BnlintError):
    """An edit cannot be applied to the user's files."""


def in_words(error: BaseException, limit: int = 300) -> str:
    """The type of an error and the first line of its text, cut after ``limit`` characters."""
    line = shortened(first_line(str(error).strip()), limit)
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


PLEASE_REPORT = "please report it, if possible with the file that it happens on"


def internal_error(error: BaseException, while_: str = "") -> str:
    """What to say of an error in bnlint itself: what happened, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    doing = f" while {while_}" if while_ else ""
    return f"internal error in bnlint, not in your code{doing}: {in_words(error)}{place}"


def is_out_of_memory(error: BaseException) -> bool:
    """True if the error says, for any device or library, that memory ran out."""
    return isinstance(error, MemoryError) or mentions_memory(str(error))


def mentions_memory(text: str) -> bool:
    """True if the text of an error or a traceback says that memory ran out."""
    text = text.lower()
    return any(words in text for words in _MEMORY_WORDS)
