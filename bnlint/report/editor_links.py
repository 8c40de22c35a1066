"""Links that open a place of a source file in an editor, as the setting ``editor`` has them."""

from __future__ import annotations

import re
from pathlib import PurePath
from urllib.parse import quote

from bnlint.domain.graph import Location
from bnlint.domain.phrases import closest
from bnlint.report import RenderOptions

_BY_PATH = "://file/{path}:{line}:{column}"
_BY_QUERY = "://open?file={path}&line={line}&column={column}"

EDITORS = {
    "vscode": f"vscode{_BY_PATH}",
    "vscodium": f"vscodium{_BY_PATH}",
    "cursor": f"cursor{_BY_PATH}",
    "windsurf": f"windsurf{_BY_PATH}",
    "zed": f"zed{_BY_PATH}",
    "idea": f"idea{_BY_QUERY}",
    "pycharm": f"pycharm{_BY_QUERY}",
    "none": "",
}
"""The template of each editor that has a name."""

PLACEHOLDERS = ("path", "relative", "line", "column")
_SLOT = re.compile(r"\{(\w*)\}")
_SCHEME = re.compile(r"(?!javascript|data|vbscript)[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def editor_mistake(editor: str) -> tuple[str, str]:
    """What is wrong with a name or template, and a hint; both empty if it is fine."""
    if editor in EDITORS:
        return "", ""
    if not _SCHEME.match(editor):
        example = "a template such as myeditor://open?file={path}&line={line}"
        hint = closest(editor, EDITORS, most=0)
        known = f"known: {', '.join(EDITORS)}, or {example}"
        return f"no editor is called '{editor}'", hint or known
    names = _SLOT.findall(editor)
    for name in names:
        if name not in PLACEHOLDERS:
            return f"'{{{name}}}' is not a placeholder", closest(name, PLACEHOLDERS)
    if not {"path", "relative"} & set(names):
        return f"'{editor}' names no file", "write {path} or {relative} where the file goes"
    return "", ""


def place_link(at: Location, options: RenderOptions) -> str:
    """The address of a place; empty where it has none."""
    link = file_link(at.path, at.cell, options)
    return link.replace("{line}", str(at.line)).replace("{column}", str(at.column))


def file_link(path: str, cell: int, options: RenderOptions) -> str:
    """The address of a file, in which ``{line}`` and ``{column}`` are still to be filled in.

    Empty if the editor is ``none``, for what is not a file on disk, and for a file outside of the
    project where the template takes a relative path. A cell of a notebook gets the address of the
    notebook: its lines are not those on disk.
    """
    template = EDITORS.get(options.editor, options.editor)
    absolute = PurePath(options.root, path)
    if not template or not absolute.is_absolute() or path == "-" or path.startswith("<"):
        return ""
    relative = options.inside(str(absolute))
    if "{relative}" in template and not relative:
        return ""
    if cell:
        template = template[: _end_of_file(template)]
    whole = _quoted(absolute)
    # A path that follows a slash loses its own, so that both file/{path} and file={path} are right.
    template = template.replace("/{path}", "/" + whole.lstrip("/")).replace("{path}", whole)
    return template.replace("{relative}", _quoted(PurePath(relative)))


def _end_of_file(template: str) -> int:
    """Where the last placeholder of a file ends."""
    return max(found.end() for found in re.finditer(r"\{(path|relative)\}", template))


def _quoted(path: PurePath) -> str:
    return quote(path.as_posix(), safe="/:", errors="replace")
