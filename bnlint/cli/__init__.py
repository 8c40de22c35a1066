"""The command line: arguments in, text and an exit code out; the only room that prints."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from bnlint.domain.errors import PLEASE_REPORT, BnlintError, internal_error

OK, FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130

_RARELY = 100_000
"""New objects between two garbage collections: most of what a short run makes, it keeps."""


def entry() -> NoReturn:
    """Run the command line of this process and leave with its exit code."""
    gc.set_threshold(_RARELY)
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, TextIOWrapper)]
    for stream in streams:
        # A name that the terminal's encoding lacks must not end the run.
        stream.reconfigure(errors="backslashreplace")
    code = main(sys.argv[1:])
    for stream in streams:
        with suppress(BrokenPipeError):  # ``bnlint | head``
            stream.flush()
    os._exit(code)  # taking every module down in good order is a tenth of a run on unchanged files


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command: 0, 1 (findings), 2 (cannot do it) or 130 (interrupted)."""
    try:
        from bnlint.cli.commands import run

        return run(arguments)
    except BnlintError as error:
        for mistake in error.mistakes:
            print(f"bnlint: error: {mistake}", file=sys.stderr)
    except KeyboardInterrupt:
        print("bnlint: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except Exception as error:  # the last resort: our bug, and it must say so
        _confess(error)
    return FAILED


def _confess(error: Exception) -> None:
    """Say that this is bnlint's own fault, where it happened, and how to see more."""
    import traceback

    hint = f"set BNLINT_TRACEBACK=1 to see the traceback, and {PLEASE_REPORT}"
    print(f"bnlint: {internal_error(error)}\n    hint: {hint}", file=sys.stderr)
    if os.environ.get("BNLINT_TRACEBACK"):
        traceback.print_exception(error)
