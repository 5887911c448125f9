"""A browser without a window, driven by chromedriver's own protocol, so that no package is needed."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DRIVER = shutil.which("chromedriver")
CHROME = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
#: The codes of keys without a letter.
KEYS = {
    "Left": "\ue012", "Right": "\ue014", "Home": "\ue011", "End": "\ue010", "Shift": "\ue008", "Enter": "\ue007",
    "Escape": "\ue00c",
}  # fmt: skip
#: Seconds after which what is waited for will hardly come; a busy machine is slow.
PATIENCE = 120


class Browser:
    """A session of a browser."""

    def __init__(self, address: str, session: str) -> None:
        self._address = f"{address}/session/{session}"

    def open(self, page: Path, fragment: str = "") -> None:
        self._post("url", {"url": "about:blank"})
        self._post("url", {"url": page.resolve().as_uri() + fragment})

    def open_address(self, address: str) -> None:
        self._post("url", {"url": "about:blank"})
        self._post("url", {"url": address})

    def wait(self, script: str, *arguments: object) -> Any:
        """Waits until a script returns something true, and returns that."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = self.run(script, *arguments)
            if found:
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{script}: {self.log()}")

    def choose_file(self, selector: str, path: Path) -> None:
        """Puts a file into an input, as a user does."""
        (element,) = self._post("element", {"using": "css selector", "value": selector}).values()
        self._post(f"element/{element}/value", {"text": str(path)})

    def type(self, text: str) -> None:
        """Presses the keys of a text."""
        strokes = [{"type": kind, "value": letter} for letter in text for kind in ("keyDown", "keyUp")]
        self._post("actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def run(self, script: str, *arguments: object) -> Any:
        return self._post("execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str) -> Any:
        """Runs a script that calls `arguments[0]` with its result."""
        return self._post("execute/async", {"script": script, "args": []})

    def press(self, key: str, *, shift: bool = False) -> None:
        value = KEYS.get(key, key)
        strokes = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        if shift:
            strokes = [
                {"type": "keyDown", "value": KEYS["Shift"]},
                *strokes,
                {"type": "keyUp", "value": KEYS["Shift"]},
            ]
        self._post("actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(_call(f"{self._address}/screenshot")))

    def print(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._post("print", {})))

    def log(self) -> list[str]:
        """The errors of the page since the last call."""
        entries = self._post("se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def _post(self, command: str, values: Mapping[str, object]) -> Any:
        return _call(f"{self._address}/{command}", values)


@contextmanager
def browser(
    width: int = 1400, height: int = 900, *, phone: bool = False, dark: bool = False, options: Sequence[str] = ()
) -> Iterator[Browser]:
    """Starts a browser, and ends it after the block."""
    assert DRIVER and CHROME
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}", *options]
    arguments += ["--blink-settings=preferredColorScheme=0"] if dark else []
    chrome: dict[str, object] = {"binary": CHROME, "args": arguments}
    if phone:
        chrome["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2}}
    process = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = f"http://127.0.0.1:{_port(process)}"
        wanted = {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
        session = _call(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        yield Browser(address, session)
        urllib.request.urlopen(
            urllib.request.Request(f"{address}/session/{session}", method="DELETE"), timeout=60
        ).close()
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    until = time.monotonic() + 60
    while time.monotonic() < until:
        line = process.stdout.readline()
        if "successfully on port" in line:
            return int(line.rstrip().rstrip(".").split()[-1])
    raise TimeoutError("chromedriver did not start")


def _call(address: str, values: Mapping[str, object] | None = None) -> Any:
    data = None if values is None else json.dumps(values).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())["value"]
