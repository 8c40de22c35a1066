"""The language server as an editor meets it: a real client library over standard input."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("pygls")

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from bnlint.domain.graph import Location
from bnlint.findings.comments import ignore_comments

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        größe = 8
        self.name, self.conv = "😀", nn.Conv2d(3, größe, 3)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.bn(self.conv(x)).relu()
"""
LINE = 7
CLEAN = NET.replace("größe, 3", "größe, 3, bias=False")
PATIENCE = 120


class Client(LanguageClient):
    """Keeps what the server shows."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests", "1")
        self.folder = folder
        self.shown: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.messages: asyncio.Queue[str] = asyncio.Queue()

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _(params: types.PublishDiagnosticsParams) -> None:
            self.shown.put_nowait(params)

        @self.feature(types.WINDOW_SHOW_MESSAGE)
        def _(params: types.ShowMessageParams) -> None:
            self.messages.put_nowait(params.message)

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    async def open(self, name: str, text: str) -> list[types.Diagnostic]:
        item = types.TextDocumentItem(self.uri(name), "python", 1, text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.next(name)

    async def change_and_save(self, name: str, text: str, *, disk: bool = True) -> None:
        self.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(uri=self.uri(name), version=2),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )
        if disk:
            (self.folder / name).write_text(text, encoding="utf-8")
        document = types.TextDocumentIdentifier(self.uri(name))
        self.text_document_did_save(types.DidSaveTextDocumentParams(document))

    async def next(self, name: str) -> list[types.Diagnostic]:
        shown = await asyncio.wait_for(self.shown.get(), PATIENCE)
        assert shown.uri == self.uri(name)
        return list(shown.diagnostics)

    async def hover(self, name: str, line: int, character: int) -> str:
        document = types.TextDocumentIdentifier(self.uri(name))
        params = types.HoverParams(document, types.Position(line, character))
        found = await self.text_document_hover_async(params)
        return found.contents.value if found else ""  # type: ignore[union-attr]

    async def actions(self, name: str, diagnostic: types.Diagnostic) -> list[types.CodeAction]:
        document = types.TextDocumentIdentifier(self.uri(name))
        context = types.CodeActionContext([diagnostic])
        params = types.CodeActionParams(document, diagnostic.range, context)
        return list(await self.text_document_code_action_async(params) or [])  # type: ignore[arg-type]


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[Client]:
    client = Client(folder)
    await client.start_io(sys.executable, "-m", "bnlint", "server", cwd=str(folder))
    capabilities = types.ClientCapabilities()
    root = folder.as_uri()
    await client.initialize_async(types.InitializeParams(capabilities, root_uri=root))
    client.initialized(types.InitializedParams())
    try:
        yield client
    finally:
        await client.shutdown_async(None)
        client.exit(None)
        await asyncio.wait_for(client.stop(), PATIENCE)


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[Callable[[Client], Awaitable[None]]], None]:
    (tmp_path / "bnlint.toml").write_text('select = ["BN301", "BN9"]\n')

    def run(session: Callable[[Client], Awaitable[None]]) -> None:
        async def all_of_it() -> None:
            async with _served(tmp_path) as client:
                await session(client)

        asyncio.run(all_of_it())

    return run


Serve = Callable[[Callable[[Client], Awaitable[None]]], None]


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _apply(text: str, edit: types.TextEdit) -> str:
    """The text after an edit whose positions count UTF-16 units."""
    lines = text.splitlines(keepends=True)
    at = edit.range.start
    assert edit.range.end == at
    raw = lines[at.line].encode("utf-16-le")
    head, tail = raw[: at.character * 2], raw[at.character * 2 :]
    lines[at.line] = head.decode("utf-16-le") + edit.new_text + tail.decode("utf-16-le")
    return "".join(lines)


def test_a_session_of_an_editor(serve: Serve) -> None:
    async def session(client: Client) -> None:
        (client.folder / "net.py").write_text(NET, encoding="utf-8")
        (found,) = await client.open("net.py", NET)
        line = NET.splitlines()[LINE]
        start = _utf16(line[: line.index("nn.Conv2d")])
        assert found.range == types.Range(
            types.Position(LINE, start),
            types.Position(LINE, start + len("nn.Conv2d(3, größe, 3)")),
        )
        assert (found.code, found.severity) == ("BN301", types.DiagnosticSeverity.Warning)
        assert found.code_description is not None
        assert found.code_description.href == "https://arxiv.org/abs/1502.03167"
        (related,) = found.related_information or []
        assert related.location.uri == client.uri("net.py")
        assert related.location.range.start == types.Position(LINE + 1, 18)

        assert (await client.hover("net.py", LINE, 3)).startswith("# redundant-bias (BN301)")
        assert await client.hover("net.py", LINE + 1, 3) == ""

        *_, ignore = await client.actions("net.py", found)
        assert ignore.title == "Ignore BN301 here"
        assert ignore.edit is not None
        (edit,) = (ignore.edit.changes or {})[client.uri("net.py")]
        ignored = _apply(NET, edit)
        assert ignored.splitlines()[LINE] == line + "  # bnlint: ignore[BN301] -- "
        await client.change_and_save("net.py", ignored)
        assert await client.next("net.py") == []
        assert "# redundant-bias" in await client.hover("net.py", LINE, _utf16(line) + 22)

        document = types.TextDocumentIdentifier(client.uri("net.py"))
        client.text_document_did_close(types.DidCloseTextDocumentParams(document))
        assert await client.next("net.py") == []

    serve(session)


def test_a_proved_fix_is_offered_for_what_is_saved(serve: Serve) -> None:
    pytest.importorskip("libcst")

    async def session(client: Client) -> None:
        (client.folder / "net.py").write_text(NET, encoding="utf-8")
        (found,) = await client.open("net.py", NET)
        fix, ignore = await client.actions("net.py", found)
        assert fix.title.startswith("Fix BN301: ")
        assert fix.title.endswith(" (unsafe: changes behavior or checkpoints)")
        assert fix.is_preferred is False
        assert ignore.title == "Ignore BN301 here"
        assert fix.edit is not None
        ((uri, edits),) = (fix.edit.changes or {}).items()
        assert uri == client.uri("net.py")
        fixed = NET
        for edit in edits:
            fixed = _apply(fixed, edit)
        assert fixed == CLEAN
        await client.change_and_save("net.py", "\n" + NET, disk=False)
        (found,) = await client.next("net.py")
        assert [a.title for a in await client.actions("net.py", found)] == ["Ignore BN301 here"]

    serve(session)


def test_a_safe_fix_is_preferred_and_the_page_of_a_rule_is_linked(serve: Serve) -> None:
    pytest.importorskip("libcst")
    text = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 8)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.fc(x))


net = Net()
net(torch.randn(2, 4))
"""

    async def session(client: Client) -> None:
        config = 'select = ["BN202"]\ndocs-url = "https://example.org"\n'
        (client.folder / "bnlint.toml").write_text(config)
        (client.folder / "net.py").write_text(text)
        (found,) = await client.open("net.py", text)
        assert found.code_description is not None
        assert found.code_description.href == "https://example.org/rules/BN202/"
        fix, _ = await client.actions("net.py", found)
        assert (fix.is_preferred, "unsafe" in fix.title) == (True, False)

    serve(session)


@pytest.mark.parametrize("waits", [0.0, 3.0])
def test_the_server_ends_at_once_with_code_0_and_without_a_word(waits: float) -> None:
    def message(**content: object) -> bytes:
        text = json.dumps({"jsonrpc": "2.0", **content}).encode()
        return b"Content-Length: %d\r\n\r\n%b" % (len(text), text)

    nothing = {"capabilities": {}, "processId": None, "rootUri": None}
    command = [sys.executable, "-m", "bnlint", "server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as server:
        assert server.stdin is not None
        assert server.stderr is not None
        server.stdin.write(message(id=1, method="initialize", params=nothing))
        server.stdin.write(message(method="initialized", params={}))
        server.stdin.flush()
        time.sleep(waits)
        server.stdin.write(message(id=2, method="shutdown"))
        server.stdin.write(message(method="exit"))
        server.stdin.flush()
        assert server.wait(PATIENCE) == 0
        assert server.stderr.read() == b""


def test_the_buffer_counts_and_not_what_is_on_the_disk(serve: Serve) -> None:
    async def session(client: Client) -> None:
        (client.folder / "net.py").write_text(CLEAN, encoding="utf-8")
        (found,) = await client.open("net.py", "\n" + NET)
        assert found.range.start.line == LINE + 1
        ignored = NET.replace("3)\n", "3)  # bnlint: ignore[BN301] -- kept\n")
        await client.change_and_save("net.py", ignored, disk=False)
        assert await client.next("net.py") == []
        assert (client.folder / "net.py").read_text(encoding="utf-8") == CLEAN

    serve(session)


def test_what_cannot_be_checked_is_shown_and_the_server_lives_on(serve: Serve) -> None:
    async def session(client: Client) -> None:
        (found,) = await client.open("bad.py", "import torch\nimport os\nos._exit(3)\n")
        assert (found.code, found.range.start.line) == ("exit", 2)
        assert found.severity == types.DiagnosticSeverity.Information
        assert await client.actions("bad.py", found) == []
        (client.folder / "bnlint.toml").write_text('selct = ["BN3"]\n')
        await client.change_and_save("bad.py", NET)
        message = await asyncio.wait_for(client.messages.get(), PATIENCE)
        assert "unknown setting 'selct'" in message
        (client.folder / "bnlint.toml").write_text('exclude = ["bad.py"]\nselect = ["BN301"]\n')
        await client.change_and_save("bad.py", NET)
        assert await client.next("bad.py") == []
        assert len(await client.open("net.py", NET)) == 1

    serve(session)


def test_a_suppression_can_be_added_to_and_stands_where_it_counts() -> None:
    from pygls.workspace import PositionCodec

    from bnlint.server.diagnostics import ignore_edit

    codec = PositionCodec()
    for text, line, wanted in (
        ("x = f()  # bnlint: ignore[BN101] -- a\n", 0, "x = f()  # bnlint: ignore[BN101, BN301]"),
        ("x = f()  # noqa\r\ny = 1\r\n", 0, "x = f()  # noqa  # bnlint: ignore[BN301] -- \r\n"),
        ("if x:\n    y = f('''\n    ''')\n", 1, "if x:\n    # bnlint: ignore[BN301] -- \n    y"),
        ("y = \\\n    f()\n", 0, "# bnlint: ignore[BN301] -- \ny = \\\n"),
        ("y = f(\n    g())", 1, "y = f(\n    g())  # bnlint: ignore[BN301] -- "),
    ):
        edited = _apply(text, ignore_edit(text, line, "BN301", codec))
        assert edited.startswith(wanted)
        (comment,) = ignore_comments(edited)
        assert "BN301" in comment.rules
        shift = edited.splitlines().index(text.splitlines()[line]) if "\n    #" in wanted else 0
        assert comment.covers(Location("net.py", max(shift, line) + 1))
