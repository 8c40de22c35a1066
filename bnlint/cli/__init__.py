"""The command line: arguments in, text and an exit code out; the only room that prints."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper

TYPE_CHECKING = False  # that of ``typing`` costs more time than all else here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

OK, FOUND, FAILED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

_RARELY = 100_000
"""New objects between two garbage collections: most of what a short run makes, it keeps."""


class Terminated(BaseException):
    """The process was asked to end: what it started and made goes first."""


def entry() -> NoReturn:
    """Run the command line of this process and leave with its exit code."""
    gc.set_threshold(_RARELY)
    signal.signal(signal.SIGTERM, _terminate)
    _open_closed_streams()
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, TextIOWrapper)]
    for stream in streams:
        # A name that the terminal's encoding lacks must not end the run.
        stream.reconfigure(errors="backslashreplace")
    code = main(sys.argv[1:])
    for stream in streams:
        with suppress(OSError, ValueError):  # ``bnlint | head``, a full disk, closed
            stream.flush()
    os._exit(code)  # taking every module down in good order is a tenth of a run on unchanged files


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command: 0, 1 (findings), 2 (cannot do it), 130 or 143 (interrupted).

    An interrupt is minded from the first import on.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("bnlint: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Exception as error:  # the last resort: our bug, and it must say so
        _confess(error)
    return FAILED


def _run(arguments: Sequence[str]) -> int:
    from bnlint.domain.errors import BnlintError

    try:
        from bnlint.cli.commands import run

        _check_folder()
        return run(arguments)
    except BnlintError as error:
        for mistake in error.mistakes:
            print(f"bnlint: error: {mistake}", file=sys.stderr)
    return FAILED


def _open_closed_streams() -> None:
    """Write nowhere instead of failing where the caller has closed a stream (``>&-``)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _check_folder() -> None:
    """Raise UsageError if the working directory is gone: every relative path would be wrong."""
    try:
        os.getcwd()
    except FileNotFoundError:
        from bnlint.domain.errors import Mistake, UsageError

        hint = "change to a folder that exists, then run bnlint again"
        raise UsageError(Mistake("the working directory was deleted", hint=hint)) from None


def _terminate(_: int, __: object) -> NoReturn:
    raise Terminated


def _confess(error: Exception) -> None:
    """Say that this is bnlint's own fault, where it happened, and how to see more."""
    import traceback

    from bnlint.domain.errors import PLEASE_REPORT, internal_error

    hint = f"set BNLINT_TRACEBACK=1 to see the traceback, and {PLEASE_REPORT}"
    print(f"bnlint: {internal_error(error)}\n    hint: {hint}", file=sys.stderr)
    if os.environ.get("BNLINT_TRACEBACK"):
        traceback.print_exception(error)
