"""Files that did not change, but import a module that did: their models may have changed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_MODELS = re.compile(r"torch|\bnn\b|\bdef forward\b")
_SOURCE_FOLDERS = ("", "src", "lib", "python")


def dependents(top: Path, files: Iterable[str], changed: Iterable[str]) -> list[str]:
    """The files that import a changed one, directly or through others, and may have models."""
    texts = {path: text for path in files if (text := _text(top / path)) is not None}
    reached = {path for path in changed if path.endswith(".py")}
    found: list[str] = []
    fresh = set(reached)
    while fresh:
        words = re.compile("|".join(rf"\b{re.escape(_word(path))}\b" for path in sorted(fresh)))
        step = {
            path
            for path, text in texts.items()
            if path not in reached and words.search(text) and _imports(path, text) & _names(fresh)
        }
        found += sorted(path for path in step if _MODELS.search(texts[path]))
        reached |= step
        fresh = step
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _word(path: str) -> str:
    """The name that an import of a module mentions."""
    parts = path.removesuffix(".py").split("/")
    return parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]


def _names(paths: Iterable[str]) -> set[str]:
    """The paths without their suffix; a package by its folder."""
    return {path.removesuffix(".py").removesuffix("/__init__") for path in paths}


def _imports(path: str, text: str) -> set[str]:
    """All paths that the imports of a file may mean, without their suffix."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    folder = path.split("/")[:-1]
    return {name for node in ast.walk(tree) for name in _meant(node, folder)}


def _meant(node: ast.AST, folder: list[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _absolute(alias.name.split("."), folder)
    elif isinstance(node, ast.ImportFrom):
        words = node.module.split(".") if node.module else []
        for tail in ([], *([alias.name] for alias in node.names)):
            if node.level:
                yield "/".join([*folder[: len(folder) - node.level + 1], *words, *tail])
            else:
                yield from _absolute([*words, *tail], folder)


def _absolute(words: list[str], folder: list[str]) -> Iterator[str]:
    """A dotted name below each folder that may be on the path: those above the file, and ``src``.

    Importing ``a.b`` runs ``a`` as well.
    """
    roots = ["/".join(folder[:n]) for n in range(len(folder) + 1)]
    for root in dict.fromkeys([*roots, *_SOURCE_FOLDERS]):
        for end in range(1, len(words) + 1):
            yield "/".join(filter(None, (root, *words[:end])))
