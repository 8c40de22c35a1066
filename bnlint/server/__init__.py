"""The language server: lints on open and on save through a warm worker, beside the editor."""

from __future__ import annotations

from bnlint.domain.errors import Mistake, UsageError


def serve() -> int:
    """Serve one editor over standard input and output until it says exit; 0.

    Raises
    ------
    UsageError
        When pygls is not installed.

    """
    try:
        import pygls  # noqa: F401
    except ImportError:
        hint = "pip install 'bnlint[server]'"
        raise UsageError(Mistake("the language server needs pygls", hint=hint)) from None
    from bnlint.server.features import build

    build().start_io()
    return 0
