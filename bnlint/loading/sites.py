"""Where in the user's source a module was built and an operation was called.

A site is kept as a chain of ``(code, instruction)`` pairs, innermost first, and turned into lines
and columns only for what a report needs: walking frames is cheap, decoding positions is not.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Location
from bnlint.domain.objects import home_of, is_a, stored
from bnlint.layers.calls import Frames

Arguments = tuple[tuple[str, int | tuple[int, ...]], ...]

ATTRIBUTE = "_bnlint_site"
"""Kept in the module's own ``__dict__``, so that ``copy.deepcopy`` carries it to the clones."""

_DEPTH = 24
_TORCH = os.path.dirname(torch.__file__) + os.sep
_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep
_ENTRY = os.path.join(_OWN, "tracing", "model.py")
"""Frames outside this file belong to the caller of the trace, not to the model."""
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_GENERATED = re.compile(r"[\\/]bnlint-[^\\/]+[\\/](?:.*[\\/])?caches[\\/]")
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@dataclass(frozen=True, slots=True)
class Site:
    """Where something happened; ``late`` is true for a module built while a forward ran.

    ``arguments`` are the plain numbers among the arguments of a module's constructor, by name.
    Clones of a module share its site. Pickled, it is None: code objects can't be written, and
    whoever reads the module again need not have bnlint.
    """

    frames: Frames
    late: bool = False
    arguments: Arguments = ()

    def __deepcopy__(self, memo: object) -> Site:
        """The same object."""
        return self

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """How to make None."""
        return type(None), ()


@contextlib.contextmanager
def record_sites(*, late: bool = False) -> Iterator[None]:
    """Note the construction site of every module that is built inside the block.

    ``late`` marks them as built while a forward runs.
    """
    original = nn.Module.__init__

    def noting(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        if ATTRIBUTE not in self.__dict__:
            self.__dict__[ATTRIBUTE] = _site(self, sys._getframe(1), late)
        original(self, *args, **kwargs)

    nn.Module.__init__ = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]


def site_of(module: nn.Module) -> Site | None:
    """The construction site noted on a module, or None if its construction was not recorded."""
    found = module.__dict__.get(ATTRIBUTE)
    return found if isinstance(found, Site) else None


def call_frames(until: FrameType | None = None, outer: Frames = ()) -> Frames:
    """The frames of the current call, innermost first, without those of torch and bnlint.

    Instead of those from ``until`` outwards, which take time to walk, ``outer`` is appended.
    """
    return (_collect(sys._getframe(1), until) + outer)[:_DEPTH]


def _site(module: nn.Module, caller: FrameType, late: bool) -> Site:
    """The site of a module whose constructors are the frames from ``caller`` outwards."""
    frame: FrameType | None = caller
    outermost: FrameType | None = None
    while frame is not None and frame.f_code.co_name == "__init__":
        names = frame.f_code.co_varnames
        if not names or frame.f_locals.get(names[0]) is not module:
            break
        outermost, frame = frame, frame.f_back
    if outermost is None or is_machinery(outermost.f_code.co_filename):
        return Site(_collect(frame), late)
    return Site(_collect(frame), late, tuple(_numbers(outermost)))


def _numbers(constructor: FrameType) -> Iterator[tuple[str, int | tuple[int, ...]]]:
    """The whole numbers, and tuples of them, among the arguments of a constructor."""
    code, given = constructor.f_code, constructor.f_locals
    for name in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]:
        value: Any = given.get(name)
        if type(value) is int:
            yield name, value
        elif is_a(value, (tuple, list)):
            entries = tuple(stored(value))
            if all(type(entry) is int for entry in entries):
                yield name, entries


def _collect(frame: FrameType | None, until: FrameType | None = None) -> Frames:
    found: list[tuple[CodeType, int]] = []
    while frame is not until and frame is not None and len(found) < _DEPTH:
        if not _is_tool(frame.f_globals.get("__name__")):
            code = frame.f_code
            if code.co_filename == _ENTRY:
                break
            if not is_machinery(code.co_filename):
                found.append((code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def _is_tool(module: object) -> bool:
    """True for a module of torch or bnlint by its name alone.

    Most frames are theirs, and an audit hook hears of each code that is read of a frame.
    """
    return type(module) is str and _is_tool_named(module)


@lru_cache(maxsize=4096)
def _is_tool_named(module: str) -> bool:
    if not module.startswith(("torch.", "bnlint.")):
        return False
    file = file_of(sys.modules.get(module))
    return file != _ENTRY and file.startswith((_TORCH, _OWN))


@lru_cache(maxsize=4096)
def is_machinery(filename: str) -> bool:
    """True for files of torch and of bnlint, whose frames say nothing to a user."""
    return filename.startswith((_TORCH, _OWN, "<frozen", "<string>", "<eval_with_key"))


def definition_of(cls: type) -> Location | None:
    """Where a class is defined, or None if its source is not available."""
    try:
        file = inspect.getsourcefile(cls)
    except (OSError, TypeError):
        return None
    if not file:
        return None
    place = usual_path(file)
    heads = re.compile(rf"[ \t]*class[ \t]+{re.escape(cls.__name__)}\b")
    lines = linecache.getlines(file, getattr(sys.modules.get(home_of(cls)), "__dict__", None))
    found = [number for number, line in enumerate(lines, 1) if heads.match(line)]
    if len(found) == 1:
        return Location(place, found[0])
    try:  # parses the whole file
        return Location(place, max(inspect.getsourcelines(cls)[1], 1))
    except (OSError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Locator:
    """Turns frames into locations, from the view of the file that is checked.

    The innermost frame of the user's own code wins: not the standard library, and not an
    installed package, unless the checked file is a part of that very package.
    """

    file: str = ""

    def locate(self, frames: Frames) -> Location | None:
        """The location that a report should point at, or None if no frame has a lasting file."""
        home = _package_of(self.file)
        kept = [frame for frame in frames if not _is_generated(frame[0].co_filename)]
        users = (frame for frame in kept if _is_users(frame[0].co_filename, home))
        found = next(users, kept[0] if kept else None)
        return found and _position(*found)

    def library(self, frames: Frames) -> str:
        """The installed package that did this, if the file that is checked is not installed too.

        Nothing is known of a model without a file.
        """
        if not self.file:
            return ""
        package = _package_of(frames[0][0].co_filename) if frames else ""
        return _name_of(package) if package and not _package_of(self.file) else ""


def _name_of(package: str) -> str:
    """The name of an installed package by its folder or file."""
    return os.path.basename(package).partition(".")[0]


def is_users(filename: str) -> bool:
    """True for a file that is not Python's, torch's or bnlint's: it may be an installed one."""
    return not is_machinery(filename) and not filename.startswith(("<", _STDLIB))


def is_local(path: str) -> bool:
    """True for a file that is neither installed, nor Python's, nor a part of bnlint."""
    return not path.startswith(("<", _OWN, _STDLIB)) and not _package_of(path)


def file_of(module: object) -> str:
    """The file of a module; empty for one without, or whose attributes cannot be read."""
    try:
        path = getattr(module, "__file__", None)
    except Exception:  # modules are replaced by all kinds of lazy objects
        return ""
    return path if isinstance(path, str) else ""


@lru_cache(maxsize=4096)
def _package_of(filename: str) -> str:
    """The folder of the installed top-level package that holds a file; empty for a user's file."""
    for mark in _INSTALLED:
        head, found, tail = filename.rpartition(mark)
        if found:
            return head + found + tail.split(os.sep)[0]
    return ""


@lru_cache(maxsize=4096)
def _is_users(filename: str, home: str) -> bool:
    package = _package_of(filename)
    return package == home if package else not filename.startswith(("<", _STDLIB))


@lru_cache(maxsize=4096)
def _is_generated(filename: str) -> bool:
    """True for code that a library wrote to a temporary folder of bnlint, which is removed."""
    return _GENERATED.search(filename) is not None


@lru_cache(maxsize=4096)
def usual_path(path: str) -> str:
    """The path without detours such as ``exp/../common``, which an extended ``sys.path`` leaves."""
    if path.startswith("<") or path == os.path.normpath(path):
        return path
    plain = os.path.normpath(path)
    real = os.path.realpath(path)  # another file where a folder before .. is a link
    return plain if os.path.realpath(plain) == real else real


@lru_cache(maxsize=16384)
def _position(code: CodeType, instruction: int) -> Location:
    index = max(instruction, 0) // 2
    found = next(itertools.islice(code.co_positions(), index, None), (None,) * 4)
    line, end_line, column, end_column = found
    path = code.co_filename
    begin = _characters(path, line or 0, column or 0) + 1
    end = _characters(path, end_line or 0, end_column) + 1 if end_column else 0
    return Location(usual_path(path), line or code.co_firstlineno, begin, end_line or 0, end)


def line_of(code: CodeType, instruction: int) -> int:
    """The line of an instruction."""
    return _position(code, instruction).line


def _characters(path: str, line: int, column: int) -> int:
    """A column that Python counts in bytes of UTF-8, in characters."""
    text = linecache.getline(path, line) if column else ""
    if text.isascii():
        return column
    return len(text.encode("utf-8", "replace")[:column].decode("utf-8", "replace"))
