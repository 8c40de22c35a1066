"""Links of a page to source files: which editor they open, and what they say of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bnlint.config import load_settings
from bnlint.domain.errors import UsageError
from bnlint.domain.graph import Location
from bnlint.report import RenderOptions, render
from bnlint.report.editor_links import EDITORS, place_link
from tests.golden.report import golden_options, golden_report

AT = Location("/home/me/proj/a b/net.py", 12, 5)
WEB = "https://example.org/blob/main/{relative}#L{line}"


def _link(editor: str, at: Location = AT, **options: Any) -> str:
    return place_link(at, RenderOptions(root="/home/me/proj", editor=editor, **options))


@pytest.mark.parametrize(
    ("editor", "link"),
    [
        ("vscode", "vscode://file/home/me/proj/a%20b/net.py:12:5"),
        ("vscode://file/{path}:{line}:{column}", "vscode://file/home/me/proj/a%20b/net.py:12:5"),
        ("idea", "idea://open?file=/home/me/proj/a%20b/net.py&line=12&column=5"),
        ("pycharm", "pycharm://open?file=/home/me/proj/a%20b/net.py&line=12&column=5"),
        ("none", ""),
        ("", ""),
        (WEB, "https://example.org/blob/main/a%20b/net.py#L12"),
        ("emacs://{path}?{line}", "emacs://home/me/proj/a%20b/net.py?12"),
    ],
)
def test_a_place_is_written_as_the_template_says(editor: str, link: str) -> None:
    assert _link(editor) == link


@pytest.mark.parametrize("editor", [*EDITORS, WEB])
def test_a_cell_of_a_notebook_gets_the_notebook_without_a_line(editor: str) -> None:
    link = _link(editor, Location("/home/me/proj/a.ipynb", 12, 5, cell=3))
    assert link == "" if editor == "none" else link.endswith("/a.ipynb")


def test_a_relative_template_has_no_link_for_files_of_others() -> None:
    assert _link(WEB, Location("/usr/lib/python3.11/site-packages/lib/net.py", 3)) == ""
    assert _link(WEB, Location("/home/me/other/net.py", 3)) == ""
    assert _link(WEB, Location("sub/net.py", 3)).endswith("/main/sub/net.py#L3")


def test_a_path_cannot_hold_a_placeholder_of_its_own() -> None:
    link = _link("vscode", Location("/home/me/{line}/net.py", 7, 1))
    assert link == "vscode://file/home/me/%7Bline%7D/net.py:7:1"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/me/proj/models/net.py", "models/net.py"),
        ("/home/me/other/net.py", "../other/net.py"),
        ("/home/me/.venv/lib/python3.11/site-packages/timm/layers/norm.py", "timm/layers/norm.py"),
        ("/usr/lib/python3.12/random.py", "random.py"),
        ("/home/me/proj/.venv/lib/python3.11/site-packages/a.py",) * 2,
        ("<string>", "<string>"),
    ],
)
def test_a_page_shows_no_folder_of_this_machine(path: str, shown: str) -> None:
    options = RenderOptions(root="/home/me/proj", portable=True)
    assert options.relative(path) == shown.removeprefix("/home/me/proj/")


def test_a_page_for_others_says_nothing_of_the_home_folder() -> None:
    report = golden_report()
    root = "/home/somebody/proj"
    assert root in render("html", report, golden_options(root=root))
    for editor in ("none", WEB):
        page = render("html", report, golden_options(root=root, editor=editor))
        assert "/home/somebody" not in page
        assert "models/net.py" in page


@pytest.mark.parametrize(
    ("editor", "message"),
    [
        ("vscod", "no editor is called 'vscod'"),
        ("javascript:alert({path})", "no editor is called"),
        ("data:text/html,{path}", "no editor is called"),
        ("myeditor://{file}", "'{file}' is not a placeholder"),
        ("myeditor://{pat}", "'{pat}' is not a placeholder"),
        ("myeditor://{line}", "names no file"),
    ],
)
def test_a_template_that_cannot_work_is_a_mistake(
    editor: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--editor") as caught:
        load_settings({"editor": editor}, tmp_path)
    assert message in str(caught.value)


def test_the_config_file_names_the_editor(tmp_path: Path) -> None:
    (tmp_path / "bnlint.toml").write_text('editor = "idea"\n')
    assert load_settings({}, tmp_path).editor == "idea"
