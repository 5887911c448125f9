"""Keeps other sites away from the app: names that lead here, requests from elsewhere, scripts of others."""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Methods that change nothing.
_READING = frozenset({"GET", "HEAD"})
#: What every answer says: nothing is loaded from elsewhere, no other page shows this one, types are not guessed.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def local_names() -> frozenset[str]:
    """The names by which this machine may be called, beside its addresses."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name}.local"})


class Guard:
    """Refuses requests that a foreign page may have made, and adds headers to every answer.

    A page of another site can lead its own name to this machine's address (DNS rebinding); its requests then carry
    that name as their Host. So a Host must be an address or one of the local names. Requests that change something
    must come from this page: their Origin is this Host.

    Args:
        app: what is guarded.
        names: the local names.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._problem(scope["method"], headers)
        if problem is not None:
            await PlainTextResponse(problem + "\n", 403, dict(HEADERS))(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    added.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _problem(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._is_local(host):
            return (
                f"The app expects to be called by its address, got the name {host[:80]!r}. Open the printed address."
            )
        origin = headers.get("origin")
        if method not in _READING and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "The app expects requests of its own page, got one of another site."
        if method not in _READING and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "The app expects requests of its own page, got one of another site."
        return None

    def _is_local(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
