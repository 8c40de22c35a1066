"""What the pages about editors tell people to write is valid, and does what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bnlint.report import render
from tests.golden.report import golden_options, golden_report

PAGES = Path(__file__).parents[3] / "docs" / "editors"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(page: str, kind: str) -> list[str]:
    found = BLOCK.findall((PAGES / page).read_text("utf-8"))
    return [body for name, body in found if name == kind]


def test_the_settings_of_vs_code_start_the_server() -> None:
    settings = json.loads(_blocks("vscode.md", "json")[0])
    assert settings["glspc.server.command"].endswith("/bnlint")
    assert settings["glspc.server.commandArguments"] == ["server"]


def test_the_task_of_vs_code_reads_the_concise_format() -> None:
    (task,) = json.loads(_blocks("vscode.md", "json")[1])["tasks"]
    assert "concise" in task["args"]
    pattern = task["problemMatcher"]["pattern"]
    lines = render("concise", golden_report(), golden_options()).splitlines()
    matches = [re.match(pattern["regexp"], line) for line in lines]
    assert all(matches)
    first = matches[0]
    assert first is not None
    finding = golden_report().findings[0]
    assert first[pattern["file"]] == finding.location.path
    assert first[pattern["code"]] == finding.rule
    assert first[pattern["severity"]] == finding.severity.value


def test_the_settings_of_helix_are_valid() -> None:
    (text,) = _blocks("helix.md", "toml")
    settings = tomllib.loads(text)
    server = settings["language-server"]["bnlint"]
    assert [server["command"], *server["args"]] == ["bnlint", "server"]
    assert "bnlint" in settings["language"][0]["language-servers"]


@pytest.mark.skipif(shutil.which("nvim") is None, reason="needs Neovim")
def test_neovim_shows_a_finding_and_its_actions(tmp_path: Path) -> None:
    """With calls that old versions have, too; the page shows those of new ones."""
    pytest.importorskip("pygls")
    (tmp_path / "net.py").write_text(
        "from torch import nn\nnet = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))\n"
    )
    command = ", ".join(json.dumps(word) for word in (sys.executable, "-m", "bnlint", "server"))
    (tmp_path / "try.lua").write_text(f"""
local id = vim.lsp.start_client({{ name = "bnlint", cmd = {{ {command} }} }})
vim.lsp.buf_attach_client(0, id)
vim.wait(60000, function() return #vim.diagnostic.get(0) > 0 end, 50)
for _, d in ipairs(vim.diagnostic.get(0)) do print(d.lnum + 1, d.code) end
local params = vim.lsp.util.make_range_params()
params.range.start.line, params.range["end"].line = 1, 1
params.context = {{ diagnostics = vim.lsp.diagnostic.get_line_diagnostics(0, 1) }}
local found = vim.lsp.buf_request_sync(0, "textDocument/codeAction", params, 60000)
for _, each in pairs(found or {{}}) do
  for _, action in ipairs(each.result or {{}}) do print(action.title) end
end
""")
    done = subprocess.run(
        ["nvim", "--headless", "--clean", "net.py", "-c", "luafile try.lua", "-c", "qa!"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    shown = done.stdout + done.stderr
    assert "2 BN301" in shown
    assert "Ignore BN301 here" in shown
