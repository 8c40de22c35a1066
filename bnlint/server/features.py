"""What the server answers to an editor."""

from __future__ import annotations

import asyncio
import contextlib
import io
import queue
import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from bnlint.domain import VERSION
from bnlint.domain.errors import BnlintError, internal_error
from bnlint.server.diagnostics import SOURCE, Ruler, actions, diagnostics
from bnlint.server.linter import Linted, Linter, page, with_fixes

_COMMENT = re.compile(r"#\s*bnlint\s*:\s*ignore\s*\[", re.IGNORECASE)
_WORD = re.compile(r"[\w-]+\Z"), re.compile(r"[\w-]+")

T = TypeVar("T")


def build() -> LanguageServer:
    """A server with all features, ready to be started."""
    server = LanguageServer("bnlint", VERSION)
    editor = Editor(server)
    for name, handler in (
        (types.INITIALIZED, editor.initialized),
        (types.TEXT_DOCUMENT_DID_OPEN, editor.changed),
        (types.TEXT_DOCUMENT_DID_SAVE, editor.changed),
        (types.TEXT_DOCUMENT_DID_CLOSE, editor.closed),
        (types.TEXT_DOCUMENT_HOVER, editor.hover),
    ):
        server.feature(name)(partial(handler))  # pygls sets attributes, which methods don't take
    kinds = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    server.feature(types.TEXT_DOCUMENT_CODE_ACTION, kinds)(partial(editor.code_actions))
    return server


class Editor:
    """One editor: its open documents, and what was found in them."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._linter = Linter()
        self._desk = Desk()
        self._linted: dict[str, Linted] = {}
        self._asked: Counter[str] = Counter()
        self._workshop = Desk()
        self._fixing: dict[str, tuple[Linted, asyncio.Future[Linted]]] = {}

    async def initialized(self, _: types.InitializedParams) -> None:
        """Load torch while the user looks for a file."""
        with contextlib.suppress(BnlintError):  # reported when a document is checked
            await self._desk.ask(self._linter.warm_up)

    async def changed(
        self, params: types.DidOpenTextDocumentParams | types.DidSaveTextDocumentParams
    ) -> None:
        """Check a document that was opened or saved."""
        await self._check(params.text_document.uri)

    def closed(self, params: types.DidCloseTextDocumentParams) -> None:
        """Remove what was shown; a check that still runs shows nothing."""
        uri = params.text_document.uri
        self._asked[uri] += 1
        self._linted.pop(uri, None)
        self._fixing.pop(uri, None)
        self._show(uri, [], None)

    def hover(self, params: types.HoverParams) -> types.Hover | None:
        """The help of the rules that found something on the line, or that a comment names."""
        document = self._server.workspace.get_text_document(params.text_document.uri)
        rules = self._rules_at(document, params.position)
        pages = [text for rule in rules if (text := page(str(document.path), rule))]
        if not pages:
            return None
        markdown = types.MarkupContent(types.MarkupKind.Markdown, "\n---\n\n".join(pages))
        return types.Hover(markdown)

    async def code_actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """The actions for the diagnostics that the editor names: fixes, and to ignore it here."""
        uri, shown = params.text_document.uri, params.context.diagnostics
        document = self._server.workspace.get_text_document(uri)
        linted, text = self._linted.get(uri), document.source
        rules = {diagnostic.code for diagnostic in shown if diagnostic.source == SOURCE}
        if linted is not None and linted.text == text and linted.may_have_fixes(rules):
            linted = await self._with_fixes(uri, linted)
        return actions(uri, text, document.position_codec, shown, linted)

    async def _with_fixes(self, uri: str, linted: Linted) -> Linted:
        """The same with proved fixes, which are searched for once, at the first request."""
        known, task = self._fixing.get(uri, (None, None))
        if task is None or known is not linted:
            task = asyncio.ensure_future(self._workshop.ask(partial(with_fixes, linted)))
            self._fixing[uri] = linted, task
        return await asyncio.shield(task)  # a canceled request must not end it for the next

    async def _check(self, uri: str) -> None:
        """Check the newest text of a document; of several requests only the last one counts."""
        document = self._server.workspace.get_text_document(uri)
        path, text, version = to_fs_path(uri), document.source, document.version
        python = document.language_id == "python" or str(document.path).endswith(".py")
        if path is None or not uri.startswith("file:") or not python:
            return
        self._asked[uri] += 1
        mine = self._asked[uri]
        try:
            linted = await self._desk.ask(
                lambda: self._linter.lint(path, text) if mine == self._asked[uri] else None
            )
        except Exception as error:  # without a message the editor would show what is old
            reason = error if isinstance(error, BnlintError) else internal_error(error)
            said = types.ShowMessageParams(types.MessageType.Error, f"bnlint: {reason}")
            self._server.window_show_message(said)
            return
        if linted is not None and mine == self._asked[uri]:
            self._linted[uri] = linted
            self._show(uri, diagnostics(linted, document.position_codec), version)

    def _show(self, uri: str, found: list[types.Diagnostic], version: int | None) -> None:
        params = types.PublishDiagnosticsParams(uri, found, version)
        self._server.text_document_publish_diagnostics(params)

    def _rules_at(self, document: TextDocument, at: types.Position) -> list[str]:
        lines = io.StringIO(document.source).readlines()
        if at.line >= len(lines):
            return []
        line = lines[at.line]
        if _COMMENT.search(line):
            column = document.position_codec.position_from_client_units(lines, at).character
            if word := _word_at(line, column):
                return [word]
        linted = self._linted.get(document.uri)
        if linted is None:
            return []
        checked = io.StringIO(linted.text).readlines()
        if at.line >= len(checked) or checked[at.line] != line:
            return []
        ruler = Ruler(document.position_codec, checked)
        places = [(f.rule, ruler.range(f.location)) for f in linted.findings]
        covering = (rule for rule, p in places if p.start.line <= at.line <= p.end.line)
        return list(dict.fromkeys(covering))


def _word_at(line: str, column: int) -> str:
    before, after = _WORD[0].search(line[:column]), _WORD[1].match(line[column:])
    return (before[0] if before else "") + (after[0] if after else "")


class Desk:
    """A thread that does one errand after the other, so that the editor is always answered.

    It is a daemon: when the editor exits, nobody waits for a file that is still being traced.
    """

    def __init__(self) -> None:
        self._errands = queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]]()
        threading.Thread(target=self._work, name="bnlint-desk", daemon=True).start()

    async def ask(self, errand: Callable[[], T]) -> T:
        """The result of an errand; raises what it raises."""
        future: Future[T] = Future()
        self._errands.put((future, errand))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            future, errand = self._errands.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(errand())
            except BaseException as error:  # for the caller; the thread must go on
                future.set_exception(error)
