"""Headless Chromium over its debugging pipe: pages are opened, clicked, looked at, watched."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_chromium() -> str | None:
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab; ``errors`` and ``requests`` collect what goes wrong and what is loaded."""

    def __init__(self, binary: str, patience: float = 60) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._patience, self._number, self._buffer = patience, 0, b""
        # What the browser started may still write while the folder is removed.
        self._folder = tempfile.TemporaryDirectory(
            prefix="bnlint-chromium-", ignore_cleanup_errors=True
        )
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()

        def connect() -> None:
            # The pipe is at descriptors 3 and 4, whatever these are here.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_child, from_child)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [binary, *FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"],
            preexec_fn=connect,
            close_fds=False,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_child)
        os.close(from_child)
        self._session = self._attach()

    def _attach(self) -> str:
        targets = self._ask("Target.getTargets", {}, "")["targetInfos"]
        tab = next(t["targetId"] for t in targets if t["type"] == "page")
        known = {"targetId": tab, "flatten": True}
        session: str = self._ask("Target.attachToTarget", known, "")["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable", {}, session)
        return session

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer of the tab to a command of the protocol."""
        return self._ask(method, parameters, self._session)

    def open(self, path: Path, hash: str = "", size: tuple[int, int] = (1280, 860)) -> None:
        """Load a file, and wait until its scripts have run."""
        self.errors.clear()
        self.requests.clear()
        self.size(*size)
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=f"{path.resolve().as_uri()}{hash}")
        self.wait("location.protocol + document.readyState === 'file:complete'")

    def size(self, width: int, height: int) -> None:
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **shape)

    def dark(self, dark: bool = True) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, script: str) -> Any:
        """The value of an expression in the page; fails when it throws."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until an expression in the page is true; fails when that takes too long."""
        until = time.monotonic() + self._patience
        while not self.run(condition):
            assert time.monotonic() < until, f"never true: {condition}"
            time.sleep(0.05)

    def click(self, x: float, y: float, count: int = 1) -> None:
        for n in range(1, count + 1):
            for kind in ("mousePressed", "mouseReleased"):
                at = {"x": x, "y": y, "button": "left", "clickCount": n}
                self.send("Input.dispatchMouseEvent", type=kind, **at)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            at = {"x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, **at)

    def wheel(self, x: float, y: float, delta: float) -> None:
        at = {"x": x, "y": y, "deltaX": 0, "deltaY": delta}
        self.send("Input.dispatchMouseEvent", type="mouseWheel", **at)

    def click_on(self, selector: str, n: int = 0) -> None:
        """Click in the middle of the n-th element that fits."""
        box = self.run(
            f"(() => {{ const b = document.querySelectorAll({json.dumps(selector)})[{n}]"
            ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self.click(*box)

    def write(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def picture(self, path: Path) -> None:
        data = self.send("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write)
        os.close(self._read)
        self._folder.cleanup()

    def _ask(self, method: str, parameters: dict[str, Any], session: str) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + self._patience
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            assert ready, "Chromium does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium has ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        what, how = event.get("method"), event.get("params", {})
        if what == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(how["exceptionDetails"]))
        elif what == "Log.entryAdded" and how["entry"]["level"] in ("error", "warning"):
            self.errors.append(how["entry"]["text"])
        elif what == "Network.requestWillBeSent":
            self.requests.append(how["request"]["url"])
