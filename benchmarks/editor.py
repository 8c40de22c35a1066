"""What an editor waits for: ``python benchmarks/editor.py`` (extra ``server``).

A real client opens a file of ResNet-50's size through the language server and saves changes of it,
after a first file has warmed the worker. Printed are the seconds until the diagnostics are there,
beside those of a bare import, build and trace in a process that has torch loaded (goal: below one
second).
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

MODEL = Path(__file__).parent / "models" / "resnet50.py"
ROUNDS = 7
BARE = """
import importlib.util, statistics, sys, time
import torch, torch.fx

def once():
    started = time.perf_counter()
    spec = importlib.util.spec_from_file_location("net", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.device("meta"):
        model = module.ResNet()
    torch.fx.symbolic_trace(model)
    return time.perf_counter() - started

once()
print(statistics.median(once() for _ in range(int(sys.argv[2]))))
"""


class Client(LanguageClient):
    """An editor with one folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__("benchmark", "1")
        self.folder = folder
        self.shown: asyncio.Queue[str] = asyncio.Queue()
        self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(
            lambda params: self.shown.put_nowait(params.uri)
        )

    async def open(self, name: str, text: str) -> float:
        """Seconds until a new file has its diagnostics."""
        path = self.folder / name
        path.write_text(text)
        started = time.perf_counter()
        item = types.TextDocumentItem(path.as_uri(), "python", 1, text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))
        await self.shown.get()
        return time.perf_counter() - started


async def session(folder: Path) -> tuple[float, list[float]]:
    """Seconds for the first file of a session, and for each further one."""
    client = Client(folder)
    await client.start_io(sys.executable, "-m", "bnlint", "server", cwd=str(folder))
    await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    text = MODEL.read_text()
    first = await client.open("first.py", text)
    further = [await client.open(f"net{n}.py", f"{text}\n# copy {n}\n") for n in range(ROUNDS)]
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()
    return first, further


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        first, further = asyncio.run(session(Path(name)))
    command = [sys.executable, "-c", BARE, str(MODEL), str(ROUNDS)]
    bare = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    warm = statistics.median(further)
    print(f"first file of a session     {first:.2f} s")
    print(f"each further file           {warm:.2f} s  (goal 1.00 s)")
    print(f"over a bare trace           {warm / bare:.1f}  ({bare * 1000:.0f} ms)")


if __name__ == "__main__":
    main()
