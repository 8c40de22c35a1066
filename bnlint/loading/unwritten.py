"""Folders and files that models may not write: their code goes on as if it had written them.

A constructor that makes a folder for its logs, or opens a file there, needs neither for its layers.
Linting changes nothing on a disk, so what may not be written is lost.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from typing import Any

import torch

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_CHANGING = ("remove", "unlink", "rmdir", "rename", "replace", "symlink", "link", "chmod", "utime")


class Unwritten:
    """Knows which folders code made that may not be made."""

    def __init__(self) -> None:
        self.folders: set[str] = set()

    def install(self) -> None:
        """Let what may not be written be lost, from now on; for child processes."""
        builtins.open = io.open = self._opening(builtins.open)
        system: Any = os
        system.mkdir = self._making(os.mkdir)
        system.listdir = self._listing(os.listdir)
        for name in _CHANGING:
            setattr(system, name, _unless_refused(getattr(os, name)))
        torch.save = self._saving(torch.save)

    def loses(self, error: OSError, path: Any) -> bool:
        """True if a file may not be written, or its folder was not."""
        return error.errno in _REFUSED or (error.errno == errno.ENOENT and self._is_below(path))

    def _is_below(self, path: Any) -> bool:
        if not isinstance(path, (str, os.PathLike)):
            return False
        return os.path.dirname(os.path.abspath(os.fsdecode(path))) in self.folders

    def _opening(self, ordinary: Callable[..., Any]) -> Any:
        def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            try:
                return ordinary(file, mode, *args, **kwargs)
            except OSError as error:
                writes = isinstance(mode, str) and bool(set(mode) & set("wax+"))
                if not (writes and self.loses(error, file)):
                    raise
                return ordinary(os.devnull, mode.replace("x", "w"), *args, **kwargs)

        return opening

    def _making(self, mkdir: Callable[..., None]) -> Callable[..., None]:
        def make(path: Any, *args: Any, **kwargs: Any) -> None:
            try:
                mkdir(path, *args, **kwargs)
            except OSError as error:
                if not self.loses(error, path):
                    raise
                self.folders.add(os.path.abspath(os.fsdecode(path)))

        return make

    def _listing(self, listdir: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        def names(path: Any = ".") -> list[Any]:
            try:
                return listdir(path)
            except FileNotFoundError:
                if os.path.abspath(os.fsdecode(path)) in self.folders:
                    return []
                raise

        return names

    def _saving(self, save: Callable[..., Any]) -> Callable[..., Any]:
        def saved(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return save(obj, f, *args, **kwargs)
            except RuntimeError as error:  # the writer of torch reports no system error
                if not (self._is_below(f) or "cannot be opened" in str(error)):
                    raise
                return None

        return saved


def _unless_refused(change: Callable[..., Any]) -> Callable[..., Any]:
    def changed(*args: Any, **kwargs: Any) -> Any:
        try:
            return change(*args, **kwargs)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            return None

    return changed
