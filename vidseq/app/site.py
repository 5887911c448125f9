"""The addresses of the app, and what each answers."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from vidseq import reporting
from vidseq.app.asking import ask_routes
from vidseq.app.camera import camera_routes
from vidseq.app.guards import Guard, local_names
from vidseq.app.showing import video_routes
from vidseq.app.state import COOKIE, AppState
from vidseq.app.uploads import TooLargeError
from vidseq.app.wanted import LeftError
from vidseq.errors import UserError

STATIC = Path(__file__).parent / "static"
#: What all pages share: the drawing of timelines, and colours.
_SHARED = Path(reporting.__file__).parent / "templates"
#: What a client that has gone would get.
_GONE = 499


def make_site(state: AppState) -> Starlette:
    """Makes the site of an app.

    Args:
        state: all that it knows.

    Returns:
        an ASGI application.
    """
    routes = [
        Route("/", _page_of(state)),
        Route("/drawing.js", _file(_SHARED / "timeline_draw.js")),
        Route("/style.css", _file(_SHARED / "style.css")),
        *video_routes(state),
        *ask_routes(state),
        *camera_routes(state),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, names=local_names())],
        exception_handlers={
            HTTPException: _refused,
            UserError: _mistaken,
            LeftError: _left,
            ClientDisconnect: _left,
            OSError: _not_kept,
            Exception: _failed,
        },
    )


def _page_of(state: AppState) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        answer = FileResponse(STATIC / "app.html")
        if state.sessions.find(request.cookies.get(COOKIE)) is None:
            answer.set_cookie(COOKIE, state.sessions.new().id, httponly=True, samesite="strict")
        return answer

    return page


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def file(request: Request) -> Response:
        return FileResponse(path)

    return file


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def _mistaken(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 413 if isinstance(error, TooLargeError) else 400)


def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=_GONE)


def _not_kept(request: Request, error: Exception) -> Response:
    reason = error.strerror if isinstance(error, OSError) else None
    return JSONResponse({"error": f"The server cannot read or keep this: {reason or type(error).__name__}."}, 500)


def _failed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"The server failed: {type(error).__name__}. Its terminal says more."}, 500)
