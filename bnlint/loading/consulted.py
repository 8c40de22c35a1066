"""What the user's code looks at while it runs: a result is kept only as long as that is the same.

Files and folders are noted where Python opens, lists or looks for them, modules where the import
system looks for them, also if there are none: a module that appears later changes the result. What
is installed is left out, because an installer's records tell when it changes, and so is the folder
that the process works in. What a program reads that the user's code starts is not seen: such a
result is not kept.

For child processes only: what is watched stays watched.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from bnlint.cache.dependencies import EVERY_NAME, has_module
from bnlint.domain.request import Consulted
from bnlint.loading.sites import is_local

_MOST = 5_000
"""Files and folders that are noted for one result; with more, it is not kept at all."""

_STANDARD = sysconfig.get_paths()["stdlib"] + os.sep
_STANDARD_ZIP = sysconfig.get_paths()["stdlib"].replace(
    f"python{sys.version_info[0]}.{sys.version_info[1]}",
    f"python{sys.version_info[0]}{sys.version_info[1]}.zip",
)
_SITES = ("site-packages", "dist-packages")
_SYSTEM = ("/proc/", "/sys/", "/dev/")
_STATUS = {Path.stat.__code__, Path.lstat.__code__} | {
    getattr(os.path, f"get{what}").__code__ for what in ("size", "mtime", "ctime", "atime")
}
_STARTS = ("subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "pty.spawn")
"""The audit events of other processes."""


class Lookups:
    """Notes what is consulted from now on."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.seen: set[str] = set()
        self.measured: set[str] = set()
        self.folders: set[str] = set()
        self.modules: dict[str, dict[str, bool]] = {}
        self.variables: set[str] = set()
        self._entries: dict[str, frozenset[str]] = {}
        self._own = _job_folder()
        self._strange = False

    def consulted(self) -> Consulted:
        """All that was noted so far."""
        few = len(self.files) + len(self.seen) + len(self.folders) <= _MOST
        every = few and not self._strange
        return Consulted(
            tuple(sorted(self.files)) if every else (),
            tuple(sorted(self.seen - self.files)) if every else (),
            tuple(sorted(self.measured)) if every else (),
            tuple(sorted(self.folders)) if every else (),
            self.modules,
            tuple(sorted(self.variables)),
            every,
        )

    def file(self, path: Any) -> None:
        """Note a file that is opened; numbers are files that are open already."""
        if (full := self._local(path)) and len(self.files) <= _MOST:
            self.files.add(full)

    def opened(self, path: Any, _: Any, flags: int) -> None:
        """Note a file that is opened, unless it is only written."""
        if flags & os.O_ACCMODE != os.O_WRONLY:
            self.file(path)

    def database(self, name: Any) -> None:
        """Note a database that is opened, by its path or as a ``file:`` address."""
        text = os.fsdecode(name)
        self.file(unquote(urlsplit(text).path) if text.startswith("file:") else text)

    def look(self, path: Any) -> None:
        """Note that something is asked for, without its content; and if it is for its size."""
        if (full := self._local(path)) and len(self.seen) <= _MOST:
            self.seen.add(full)
            if _is_measure(sys._getframe(2)):
                self.measured.add(full)

    def folder(self, path: Any) -> None:
        """Note a folder that is listed, but not by the import system: see :meth:`module`."""
        if sys._getframe(2).f_code.co_filename.startswith("<frozen importlib"):
            return
        if full := self._local("." if path is None else path):
            self.folders.add(full)

    def start(self, *_: Any) -> None:
        """Note that a process is started, if it is the user's code that does it."""
        self._strange |= _is_for_user(sys._getframe(1))

    def module(self, name: str, folders: Sequence[str]) -> None:
        """Note that a module is looked for in these folders."""
        for folder in filter(lambda folder: isinstance(folder, str), folders):
            if full := self._local(os.path.join(folder, name)):
                home = os.path.dirname(full)
                known = self.modules.setdefault(home, {})
                if known.setdefault(name, has_module(self._listed(home), name)):
                    # which of these there are decides what is imported
                    self.seen |= {f"{full}.py", os.path.join(full, "__init__.py")}
            elif folder.endswith(_SITES) and not has_module(self._listed(folder), name):
                self.modules.setdefault(folder, {})[name] = False

    def _listed(self, folder: str) -> frozenset[str]:
        if folder not in self._entries:
            try:
                self._entries[folder] = frozenset(_listdir(folder))
            except OSError:
                self._entries[folder] = frozenset()
        return self._entries[folder]

    def _local(self, path: Any) -> str:
        """The absolute path of something of the user's; empty for anything else."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return ""
        full = os.path.abspath(os.fsdecode(path))
        if f"{full}{os.sep}".startswith((self._own, *_SYSTEM)):
            return ""
        return _source_of(full) if _is_changeable(full) else ""


def watch() -> Lookups:
    """Note what this process opens, lists, imports and reads from its environment from now on."""
    noted = Lookups()
    sys.meta_path.insert(0, _Finder(noted))
    _watch_environment(noted)
    sys.addaudithook(_hearing(noted))
    for name in ("stat", "lstat", "access", "readlink"):
        _replace(name, noted.look)
    return noted


def _hearing(noted: Lookups) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that notes what Python does, but not what is done here to note it."""
    notes: dict[str, Callable[..., None]] = {
        "open": noted.opened,
        "os.listdir": noted.folder,
        "os.scandir": noted.folder,
        "sqlite3.connect": noted.database,
        "ctypes.dlopen": noted.file,
        **dict.fromkeys(_STARTS, noted.start),
    }

    def hear(event: str, args: tuple[Any, ...]) -> None:
        note = notes.get(event)
        if note is not None and sys._getframe(1).f_code.co_filename != __file__:
            with contextlib.suppress(Exception):  # whatever is passed, the system judges it
                note(*args)

    return hear


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing, but knows what is looked for."""

    def __init__(self, noted: Lookups) -> None:
        self._noted = noted

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Note the name; others find the module."""
        try:
            folders = list(sys.path if path is None else path)
        except Exception:  # a package with an odd path
            return
        self._noted.module(fullname.rpartition(".")[2], folders)


_listdir, _stat = os.listdir, os.stat


def _replace(name: str, note: Callable[[Any], None]) -> None:
    """Let a function of ``os``, of which no audit hook hears, note its path."""
    plain = getattr(os, name)

    def noting(*args: Any, **kwargs: Any) -> Any:
        with contextlib.suppress(Exception):  # whatever is passed, the system judges it
            note(args[0] if args else kwargs.get("path"))
        return plain(*args, **kwargs)

    setattr(os, name, noting)


def _is_measure(frame: FrameType | None) -> bool:
    """True if it is the user's code that reads the status of a file, not only its existence.

    The standard library and bnlint read it for ends of their own.
    """
    while frame is not None and frame.f_code in _STATUS:
        frame = frame.f_back
    return frame is not None and is_local(frame.f_code.co_filename)


def _is_for_user(frame: FrameType | None) -> bool:
    """True if it is the user's code that calls, through the standard library or directly."""
    while frame is not None and _is_between(frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None and is_local(frame.f_code.co_filename)


def _is_between(path: str) -> bool:
    return path == __file__ or path.startswith(("<", _STANDARD))


def _watch_environment(noted: Lookups) -> None:
    """Note the names of variables that are read, and all of them where the whole is read."""
    kind: Any = type(os.environ)
    getting, iterating = kind.__getitem__, kind.__iter__

    def get(self: Any, name: Any) -> Any:
        with contextlib.suppress(TypeError):
            noted.variables.add(os.fsdecode(name))
        return getting(self, name)

    def names(self: Any) -> Iterator[Any]:
        noted.variables.add(EVERY_NAME)
        for name in iterating(self):
            noted.variables.add(os.fsdecode(name))
            yield name

    kind.__getitem__, kind.__iter__ = get, names


def _job_folder() -> str:
    """The temporary folder that bnlint made for its jobs, with the one that this process is in."""
    folder = os.getcwd()
    while not os.path.basename(folder).startswith("bnlint-"):
        above = os.path.dirname(folder)
        if above == folder:
            return os.getcwd() + os.sep
        folder = above
    return folder + os.sep


def _source_of(path: str) -> str:
    """The source of compiled code that is opened instead of it; any other path as it is."""
    if path.endswith(".pyc") and "__pycache__" in path:
        with contextlib.suppress(ValueError):
            return importlib.util.source_from_cache(path)
    return path


@lru_cache(maxsize=4096)
def _is_changeable(path: str) -> bool:
    """True for what no installer keeps a record of: the user's own, and copies beside packages."""
    if is_local(path):
        return not path.startswith(_STANDARD_ZIP)
    folder, found, below = path.rpartition(f"{os.sep}site-packages{os.sep}")
    if not found or os.sep not in below:
        return False
    package = below.split(os.sep)[0]
    return not _is_recorded(os.path.join(folder, "site-packages"), package)


def is_recorded_file(path: str) -> bool:
    """True for a file of an installed package that the installer keeps a record of."""
    return f"{os.sep}site-packages{os.sep}" in path and not _is_changeable(path)


def _is_recorded(site: str, package: str) -> bool:
    """True if a distribution of the same name, or any that lists the package, has a record."""
    try:
        names = _recorded(site, _stat(site).st_mtime_ns)
    except OSError:
        return False
    return package in names or package.lower() in names


@lru_cache(maxsize=16)
def _recorded(site: str, _: int) -> frozenset[str]:
    """The distributions that have a record, and the packages that they list; once for a folder.

    The number is that of its last change.
    """
    names: set[str] = set()
    for record in _listdir(site):
        if record.endswith((".dist-info", ".egg-info")):
            names.add(record.partition("-")[0].lower().replace("-", "_"))
            with (
                contextlib.suppress(OSError, ValueError),
                _open(os.path.join(site, record, "top_level.txt"), encoding="utf-8") as stream,
            ):
                names.update(stream.read().split())
    return frozenset(names)


_open = open
