"""Headless Chromium, spoken to over its debugging pipe; needs nothing but the browser."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """Where Chromium is, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab: what it logged, what it asked of the network, and what a user does in it."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._buffer, self._count, self._session = b"", 0, ""
        self.problems: list[str] = []
        self._asked: dict[str, str] = {}
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            self._note(answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        found: dict[str, Any] = answer["result"]
        return found

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._receive], [], [], 60)[0]:
                raise AssertionError("the browser does not answer")
            part = os.read(self._receive, 1 << 20)
            if not part:
                raise AssertionError("the browser is gone")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(params["args"])[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(params["entry"]["text"][:500])
        elif method == "Network.requestWillBeSent":
            if not params["request"]["url"].startswith("data:"):  # a picture the browser has itself
                self._asked[params["requestId"]] = params["request"]["url"][:200]
        elif method == "Network.loadingFailed" and params.get("blockedReason") == "csp":
            self._asked.pop(params["requestId"], None)  # announced, and refused by the policy before it left
        elif method == "Page.loadEventFired":
            self._loaded = True

    @property
    def requests(self) -> list[str]:
        """What was asked for since the last `open`."""
        return list(self._asked.values())

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file and wait for it."""
        self.look(width=width, height=height, dark=dark)
        self._loaded = False
        self._asked.clear()
        self.problems.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._note(self._next())

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Size of the window, and the colour scheme the user prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, code: str) -> Any:
        """The value of an expression, awaited."""
        done = self.call(
            "Runtime.evaluate",
            expression=code,
            awaitPromise=True,
            returnByValue=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, code: str, seconds: float = 20) -> Any:
        """The value of an expression, as soon as it is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(code)):
            assert time.monotonic() < end, f"never true: {code}"
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """Click the middle of the first thing that `selector` finds."""
        where = self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button=button, clickCount=1
            )

    def press(self, key: str, code: int) -> None:
        """Press a key, as `Enter`, 13."""
        text = "\r" if key == "Enter" else ""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text, windowsVirtualKeyCode=code
            )

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of the page."""
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def browser() -> Iterator[Page]:
    """A tab of a fresh browser."""
    command = find_browser()
    assert command is not None
    take, send = os.pipe()
    receive, give = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # the browser reads descriptor 3 and writes to 4
        shell = f'exec "$@" 3<&{take} 4>&{give}'
        flags = [
            "--headless=new",
            "--no-sandbox",  # the page is our own
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        done = subprocess.Popen(
            ["bash", "-c", shell, "browser", command, *flags],
            pass_fds=(take, give),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(take)
        os.close(give)
        try:
            yield Page(send, receive)
        finally:
            os.close(send)  # the browser ends with its pipe
            os.close(receive)
            try:
                done.wait(10)
            except subprocess.TimeoutExpired:
                done.kill()
                done.wait()
