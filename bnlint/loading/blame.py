"""An error that the user's code raised, as a Problem that points at the user's line."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from bnlint.domain.errors import in_words, is_out_of_memory
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.loading.denied import denied_download


@dataclass(frozen=True, slots=True)
class Blame:
    """What bnlint was doing when the user's code raised, and what to report if it did."""

    kind: ProblemKind
    doing: str
    path: str
    model: str = ""
    hint: str = ""
    blocking: bool = False

    def problem(self, error: BaseException) -> Problem:
        """The error as a Problem; exits, memory and downloads have kinds of their own."""
        kind, message, hint = self._explain(error)
        line = line_in(error, self.path)
        return Problem(kind, self.path, message, hint, line, self.model, self.blocking)

    def _explain(self, error: BaseException) -> tuple[ProblemKind, str, str]:
        if target := denied_download(error):
            return (
                ProblemKind.DOWNLOAD,
                f"{self.doing} wants to download {target}, which bnlint refuses",
                "no weights are needed to check a model: pass pretrained=False or weights=None",
            )
        if is_out_of_memory(error):
            return (
                ProblemKind.MEMORY,
                f"{self.doing} needs more memory than the limit",
                "give it more with --max-memory",
            )
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            return (
                ProblemKind.EXIT,
                f"{self.doing} ends the process ({in_words(error)})",
                "keep command-line parsing and exits under `if __name__ == '__main__'`",
            )
        return self.kind, f"{self.doing} failed: {in_words(error)}", self.hint


def line_in(error: BaseException, path: str) -> int:
    """The innermost line of ``path`` that the error passed through, 0 if there is none."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno or 0
    lines = [f.lineno or 0 for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return lines[-1] if lines else 0
