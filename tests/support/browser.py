"""Debian's chromium, driven over the DevTools protocol's pipe: JSON messages that end in a zero byte, no driver needed.

https://chromedevtools.github.io/devtools-protocol/ (read 2026-11). Commands are answered by their id; events that come
meanwhile are kept and can be waited for or looked at afterwards.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Self

CHROMIUM = shutil.which("chromium")

TIMEOUT_S = 30

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Browser:
    """A running chromium; a context manager."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        command_reader, self._writer = _pipe()
        self._reader, event_writer = _pipe()
        self._pid = os.posix_spawn(
            CHROMIUM,
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, command_reader, 3),
                (os.POSIX_SPAWN_DUP2, event_writer, 4),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        os.close(command_reader)
        os.close(event_writer)
        self._buffer = b""
        self._last_id = 0
        self.events: list[dict] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._writer)
        os.close(self._reader)

    def open(self) -> "Page":
        """A fresh tab."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        return Page(
            self, target, self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        )

    def call(self, method: str, parameters: dict | None = None, session: str | None = None) -> dict:
        """Run one command and return its result."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def wait(self, session: str, method: str) -> dict:
        """The first kept or coming event of this kind of one tab, which is then no longer kept."""
        while True:
            for event in self.events:
                if event.get("sessionId") == session and event["method"] == method:
                    self.events.remove(event)
                    return event["params"]
            self._read()

    def _read(self) -> dict:
        deadline = time.monotonic() + TIMEOUT_S
        while b"\0" not in self._buffer:
            if not select.select([self._reader], [], [], deadline - time.monotonic())[0]:
                raise TimeoutError(f"chromium said nothing for {TIMEOUT_S} s")
            data = os.read(self._reader, 1 << 20)
            if not data:
                raise EOFError("chromium ended")
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        if "id" not in message:
            self.events.append(message)
        return message


class Page:
    """One tab. Everything it asks the network for and complains about is kept."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.call("Target.closeTarget", {"targetId": self._target})

    def call(self, method: str, parameters: dict | None = None) -> dict:
        """Run one command in this tab."""
        return self._browser.call(method, parameters, self._session)

    def goto(self, url: str) -> None:
        """Open an address and wait until it has loaded."""
        self.call("Page.navigate", {"url": url})
        self.wait_for_load()

    def wait_for_load(self) -> None:
        """Wait until the page that is on its way has loaded."""
        self._browser.wait(self._session, "Page.loadEventFired")

    def click(self, selector: str) -> None:
        """Click an element that leads to another page and wait until that has loaded."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")
        self.wait_for_load()

    def evaluate(self, expression: str) -> object:
        """The value of an expression, or what its promise comes to."""
        answer = self.call("Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True})
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def resize(self, width: int, height: int = 900) -> None:
        """Give the tab a size in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def prefer(self, scheme: str) -> None:
        """Prefer ``light`` or ``dark``."""
        self.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        return base64.b64decode(shot["data"])

    def complaints(self) -> list[str]:
        """What the console shows: exceptions, failed loads, violated policies."""
        kinds = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}
        return [json.dumps(event["params"]) for event in self._events() if event["method"] in kinds]

    def asked(self) -> list[str]:
        """Every address the tab asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self._events()
            if event["method"] == "Network.requestWillBeSent"
        ]

    def _events(self) -> list[dict]:
        return [event for event in self._browser.events if event.get("sessionId") == self._session]


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are above the descriptors that the protocol uses."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
