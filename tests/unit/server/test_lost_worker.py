"""The editor hears of a worker that is lost, and the next document is checked by another."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("pygls")

from bnlint.server.linter import Linter
from tests.unit.server.test_stdio import NET, _served

pytestmark = pytest.mark.hostile
ENDS = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"


def test_a_file_that_ends_the_worker(tmp_path: Path) -> None:
    (tmp_path / "bnlint.toml").write_text('sandbox = "off"\n')

    async def edit() -> None:
        async with _served(tmp_path) as client:
            (tmp_path / "net.py").write_text(ENDS + NET)
            (shown,) = await client.open("net.py", ENDS + NET)
            assert "the worker process died" in shown.message
            await client.change_and_save("net.py", NET)
            assert [d.code for d in await client.next("net.py")] == ["BN301"]

    asyncio.run(edit())


def test_a_worker_that_somebody_ended_between_two_documents(tmp_path: Path) -> None:
    path, linter = tmp_path / "net.py", Linter()
    path.write_text(NET)
    with ThreadPoolExecutor(1) as desk:
        desk.submit(linter.warm_up).result()
        assert linter._pool is not None
        assert linter._pool._worker is not None
        linter._pool._worker._process.kill()
        linted = desk.submit(linter.lint, str(path), NET).result()
        linter.close()
    assert [finding.rule for finding in linted.findings] == ["BN301"]
