"""Downloads are refused while a user's file is imported and built: linting needs no weights."""

from __future__ import annotations

import socket
from typing import Any, NoReturn

import torch.hub

_OFFLINE_ERRORS = ("OfflineModeIsEnabled", "LocalEntryNotFoundError")
_OFFLINE_WORDS = ("We couldn't connect to 'https://huggingface.co'", "offline mode is enabled")


class DownloadRefused(ConnectionError):
    """The file's code wanted something from the network; ``target`` is the URL or the host."""

    def __init__(self, target: str) -> None:
        super().__init__(f"bnlint refuses downloads: {target}")
        self.target = target


def refuse_downloads() -> None:
    """Make every way to the network of this process raise :class:`DownloadRefused`.

    What ``torch.hub`` finds in its cache still loads. Never undone: meant for a child process.
    """
    torch.hub.download_url_to_file = _refuse_url
    socket.getaddrinfo = _refuse_host
    socket.create_connection = _refuse_address
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def refused(error: BaseException) -> str:
    """What a failed download was after, along the chain of causes; empty if there was none."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        current = todo.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, DownloadRefused):
            return current.target
        text = str(current)
        if type(current).__name__ in _OFFLINE_ERRORS or any(w in text for w in _OFFLINE_WORDS):
            return "huggingface.co"
        todo += [current.__cause__, current.__context__, getattr(current, "reason", None)]
    return ""


def _refuse_url(url: str, *_: Any, **__: Any) -> NoReturn:
    raise DownloadRefused(url)


def _refuse_host(host: Any, *_: Any, **__: Any) -> NoReturn:
    raise DownloadRefused(host.decode() if isinstance(host, bytes) else str(host))


def _refuse_address(address: Any, *_: Any, **__: Any) -> NoReturn:
    raise DownloadRefused(str(address[0]))


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            raise DownloadRefused(str(address[0]))
        return connect(self, address)

    return guarded
