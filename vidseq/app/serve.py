"""Starts the app and serves it until it is stopped."""

import contextlib
import errno
import ipaddress
import socket
import sys
from collections.abc import Callable

import uvicorn

from vidseq.app.settings import AppSettings
from vidseq.app.site import make_site
from vidseq.app.state import AppState
from vidseq.errors import UserError

#: Seconds that open connections get when the app ends.
_PARTING_SECONDS = 2


def run_app(settings: AppSettings, say: Callable[[str], None] = print) -> None:
    """Serves the app until Ctrl-C; uploads are deleted then.

    Args:
        settings: what to start.
        say: takes a line of output.

    Raises:
        UserError: the port is taken, or the address is not one of this machine.
        ModelError: a model cannot be loaded.
        DataError: the data set cannot be read.
    """
    with contextlib.closing(listen(settings.host, settings.port)) as listener, AppState.open(settings) as state:
        config = uvicorn.Config(
            make_site(state), log_level="warning", access_log=False, server_header=False, lifespan="off",
            timeout_graceful_shutdown=_PARTING_SECONDS,
        )  # fmt: skip
        say(f"vidseq app: open {address(listener)} in a browser. Ctrl-C ends it and deletes uploads.")
        if not _is_local(settings.host):
            print(f"vidseq: everyone who reaches {settings.host} can use the app.", file=sys.stderr)
        with contextlib.suppress(KeyboardInterrupt):  # how it ends
            uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Takes a port, before anything is loaded.

    Raises:
        UserError: it is taken or forbidden, or the address is not one of this machine.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        raise UserError(f"--host expects an address of this machine, got '{host}'. Leave it out.") from None
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(_why(error, host, port)) from None
    return listener


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port expects a free port, got {port}, which is taken. Name another, or 0 for any."
    if error.errno == errno.EACCES:
        return f"--port expects a port that you may take, got {port}. Name one from 1024 on."
    return f"--host expects an address of this machine, got '{host}'. Leave it out."


def address(listener: socket.socket) -> str:
    """The address to open in a browser."""
    host, port = listener.getsockname()[:2]
    if listener.family == socket.AF_INET6:
        host = f"[{host}]"
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/"


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
