"""An error that the user's code raised, said as a Problem that points at the user's line."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.phrases import first_line, shortened
from bnlint.loading.downloads import refused

_MEMORY_WORDS = ("can't allocate memory", "Cannot allocate memory", "std::bad_alloc")


@dataclass(frozen=True, slots=True)
class Blame:
    """What was being done when the code raised: kind and words for it, file and model."""

    kind: ProblemKind
    doing: str
    path: str
    model: str = ""
    hint: str = ""
    blocking: bool = False

    def problem(self, error: BaseException) -> Problem:
        """The error as a Problem; exits, memory and downloads have kinds of their own."""
        kind, message, hint = self._say(error)
        line = line_in(error, self.path)
        return Problem(kind, self.path, message, hint, line, self.model, self.blocking)

    def _say(self, error: BaseException) -> tuple[ProblemKind, str, str]:
        if target := refused(error):
            return (
                ProblemKind.DOWNLOAD,
                f"{self.doing} wants to download {target}, which bnlint refuses",
                "no weights are needed to check a model: pass pretrained=False or weights=None",
            )
        if is_memory(error):
            return (
                ProblemKind.MEMORY,
                f"{self.doing} needs more memory than the limit",
                "give it more with --max-memory",
            )
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            return (
                ProblemKind.EXIT,
                f"{self.doing} ends the process ({said(error)})",
                "keep command-line parsing and exits under `if __name__ == '__main__'`",
            )
        return self.kind, f"{self.doing} failed: {said(error)}", self.hint


def is_memory(error: BaseException) -> bool:
    """True when the error says that no memory was left."""
    return isinstance(error, MemoryError) or any(w in str(error) for w in _MEMORY_WORDS)


def said(error: BaseException, limit: int = 300) -> str:
    """The error's type and the first line of its text."""
    first = shortened(first_line(str(error).strip()), limit)
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def line_in(error: BaseException, path: str) -> int:
    """The innermost line of ``path`` that the error passed through, 0 when there is none."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno or 0
    lines = [f.lineno or 0 for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return lines[-1] if lines else 0
