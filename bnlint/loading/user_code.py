"""User code while it is imported, built and run: what it is denied, and its errors as Problems.

Linting needs no weights, and what a file wants on CUDA is built where everything else is.
"""

from __future__ import annotations

import os
import socket
import traceback
from typing import Any, NoReturn

import torch
import torch.hub
from torch.overrides import TorchFunctionMode

from bnlint.domain import SANDBOXED
from bnlint.domain.errors import PLEASE_REPORT, in_words, internal_error, is_out_of_memory
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.loading.patience import Stopped
from bnlint.loading.sites import is_local, is_users

_TORCH = os.path.dirname(torch.__file__) + os.sep
_ACCELERATORS = ("cuda", "mps", "xpu", "hpu", "npu")
_OFFLINE_ERRORS = ("OfflineModeIsEnabled", "LocalEntryNotFoundError")
_OFFLINE_WORDS = ("We couldn't connect to 'https://huggingface.co'", "offline mode is enabled")


class DownloadDenied(ConnectionError):
    """User code wanted something from the network; ``target`` is the URL or the host."""

    def __init__(self, target: str) -> None:
        super().__init__(f"bnlint refuses downloads: {target}")
        self.target = target


def deny_downloads() -> None:
    """Make every way of this process to the network raise :class:`DownloadDenied`.

    What ``torch.hub`` has in its cache is not used either, so that a result does not depend on it.
    Cannot be undone: for child processes only.
    """
    torch.hub.download_url_to_file = _deny_url
    torch.hub._get_cache_or_reload = _deny_repository
    socket.getaddrinfo = _deny_host
    socket.create_connection = _deny_address
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _deny_url(url: str, *_: Any, **__: Any) -> NoReturn:
    raise DownloadDenied(url)


def _deny_repository(github: str, *_: Any, **__: Any) -> NoReturn:
    raise DownloadDenied(f"github.com/{github}")


def _deny_host(host: Any, *_: Any, **__: Any) -> NoReturn:
    raise DownloadDenied(host.decode() if isinstance(host, bytes) else str(host))


def _deny_address(address: Any, *_: Any, **__: Any) -> NoReturn:
    raise DownloadDenied(str(address[0]))


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _deny_address(address)
        return connect(self, address)

    return guarded


def denied_download(error: BaseException) -> str:
    """What the code tried to download, along the chain of causes; empty if nothing."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        current = todo.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, DownloadDenied):
            return current.target
        text = str(current)
        if type(current).__name__ in _OFFLINE_ERRORS or any(w in text for w in _OFFLINE_WORDS):
            return "huggingface.co"
        todo += [current.__cause__, current.__context__, getattr(current, "reason", None)]
    return ""


class NoAccelerator(TorchFunctionMode):
    """A context in which ``.cuda()``, ``.to("cuda")`` and ``device="cuda"`` change nothing."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The result of ``func`` without its request for an accelerator."""
        kwargs = kwargs or {}
        if func is torch.Tensor.cuda:
            return args[0]
        if func is torch.Tensor.to:
            here = args[0].device
            args = tuple(here if _is_accelerator(a) else a for a in args)
            kwargs = {k: here if _is_accelerator(v) else v for k, v in kwargs.items()}
        elif "device" in kwargs and _is_accelerator(kwargs["device"]):
            kwargs = {k: v for k, v in kwargs.items() if k != "device"}
        return func(*args, **kwargs)


def _is_accelerator(device: Any) -> bool:
    if isinstance(device, torch.device):
        return device.type in _ACCELERATORS
    return isinstance(device, str) and device.partition(":")[0] in _ACCELERATORS


def blame(
    error: BaseException,
    kind: ProblemKind,
    doing: str,
    path: str,
    model: str = "",
    hint: str = "",
    blocking: bool = False,
) -> Problem:
    """An error that the user's code raised while bnlint was ``doing`` something with it.

    It points at the user's line. Exits, memory and downloads have kinds and hints of their own.
    """
    message = f"{doing} failed: {in_words(error)}"
    if target := denied_download(error):
        kind = ProblemKind.DOWNLOAD
        message = f"{doing} wants to download {target}, which bnlint refuses"
        hint = "no weights are needed to check a model: pass pretrained=False or weights=None"
    elif is_out_of_memory(error):
        kind, message = ProblemKind.MEMORY, f"{doing} needs more memory than the limit"
        hint = "raise the limit with --max-memory"
    elif isinstance(error, Stopped):
        message = f"{doing} took more than {error.seconds:g} s and was stopped"
    elif isinstance(error, PermissionError) and SANDBOXED in os.environ:
        hint = "in the sandbox it can write only temporary files, and connect to nothing"
        hint += "; for files that you trust: --sandbox off"
    elif isinstance(error, (SystemExit, KeyboardInterrupt)):
        kind, message = ProblemKind.EXIT, f"{doing} ends the process ({in_words(error)})"
        hint = "keep command-line parsing and exits under `if __name__ == '__main__'`"
    return Problem(kind, path, message, hint, line_in(error, path), model, blocking)


def blame_bnlint(error: BaseException, doing: str, path: str, model: str) -> Problem | None:
    """The Problem for an error of bnlint's own; None if code of the user was running.

    It is none either if torch does not get to the end of a model, whose modules hold each other.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if is_out_of_memory(error) or any(is_users(frame.filename) for frame in frames):
        return None
    if isinstance(error, RecursionError) and frames[-1].filename.startswith(_TORCH):
        return None
    said = internal_error(error, doing)
    return Problem(ProblemKind.CRASH, path, said, PLEASE_REPORT, model=model)


def let_through(error: BaseException) -> None:
    """Raise an exit or an interrupt again, unless it is the user's code that raised it."""
    if isinstance(error, Exception):
        return
    frames = traceback.extract_tb(error.__traceback__)
    if not is_users(frames[-1].filename):
        raise error


def place_of(error: BaseException) -> str:
    """Where code of the user raised an error, as " (net.py, line 13)"; empty if none did.

    The user's own file is named even if a library that it calls raised the error.
    """
    frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename)]
    own = [frame for frame in frames if is_local(frame.filename)] or frames
    return f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno})" if own else ""


def line_in(error: BaseException, path: str) -> int:
    """The innermost line of ``path`` that the error passed through, 0 if there is none."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno or 0
    lines = [f.lineno or 0 for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return lines[-1] if lines else 0
