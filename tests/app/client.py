"""A server on a free port, and clients that ask it as a browser would."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import uvicorn

from vidseq.app.serve import listen
from vidseq.app.site import make_site
from vidseq.app.state import AppState


class Client:
    """One user: keeps its cookie."""

    def __init__(self, port: int, *, opened: bool = True) -> None:
        self.port, self.cookie = port, ""
        if opened:
            _, _, headers = self.call("GET", "/")
            self.cookie = headers["set-cookie"].split(";")[0]

    def call(
        self, method: str, address: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, content (of JSON: its values) and headers of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            all_headers = {"Cookie": self.cookie, **(headers or {})}
            connection.request(method, address, body, all_headers, encode_chunked="Transfer-Encoding" in all_headers)
            answer = connection.getresponse()
            content: Any = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        if found.get("content-type") == "application/json":
            content = json.loads(content)
        return answer.status, content, found

    def get(self, address: str) -> Any:
        status, content, _ = self.call("GET", address)
        assert status == 200, (status, content)
        return content

    def post(self, address: str, values: object) -> tuple[int, Any]:
        return self.call("POST", address, json.dumps(values).encode())[:2]

    def upload(self, content: bytes, name: str = "clip.mp4") -> tuple[int, Any]:
        return self.call("POST", f"/api/videos?name={quote(name)}", content)[:2]

    def prepare(self, video: str) -> dict[str, Any]:
        """Waits until a video is ready or has failed."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            known = self.get(f"/api/videos/{video}")
            if known["state"] in ("ready", "failed"):
                return known
            time.sleep(0.02)
        raise TimeoutError(video)


@contextmanager
def serving(state: AppState) -> Iterator[int]:
    """Serves an app; the port on which it listens."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(make_site(state), log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        state.close()
