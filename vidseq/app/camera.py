"""Addresses for a camera: pictures come one by one, and questions are asked in between."""

from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vidseq.app.answers import Asked, read_asked
from vidseq.app.asking import answered, reply_json
from vidseq.app.bodies import read_bytes, read_json
from vidseq.app.live import LiveView
from vidseq.app.models import AppModel
from vidseq.app.pictures import from_jpeg
from vidseq.app.showing import seconds_of
from vidseq.app.state import AppState

#: The most bytes of a picture.
_MAX_BYTES = 4_000_000


def camera_routes(state: AppState) -> list[Route]:
    """The addresses of an app's cameras."""
    camera = _Camera(state)
    return [
        Route("/api/live", camera.start, methods=["POST"]),
        Route("/api/live", camera.stop, methods=["DELETE"]),
        Route("/api/live/pictures", camera.push, methods=["POST"]),
        Route("/api/live/answers", camera.answers, methods=["POST"]),
    ]


class _Camera:
    """What the addresses answer."""

    def __init__(self, state: AppState) -> None:
        self._state = state

    async def start(self, request: Request) -> Response:
        """Begins anew, with nothing seen."""
        state, session = self._state, self._state.session(request)
        limit = state.settings.limit_seconds
        session.live = await run_in_threadpool(LiveView, state.models, state.backbones, limit)
        return JSONResponse({"rate": float(state.rate)}, 201)

    async def stop(self, request: Request) -> Response:
        """Forgets what was seen."""
        self._state.session(request).live = None
        return Response(status_code=204)

    async def push(self, request: Request) -> Response:
        """Takes a picture; answers with what models say of it."""
        live, seconds = self._live(request), seconds_of(request)
        content = await read_bytes(request, _MAX_BYTES, "A picture")
        image = await run_in_threadpool(from_jpeg, content)
        said = await run_in_threadpool(live.push, image, seconds)
        return JSONResponse({"said": said, "seconds": live.seconds})

    async def answers(self, request: Request) -> Response:
        """The answer of each model at the newest picture."""
        live, body = self._live(request), await read_json(request)
        time = live.seconds
        asked = read_asked({**body, "time": time} if isinstance(body, dict) else body, time)

        def ask_all() -> list[dict[str, Any]]:
            return [answered(model, asked, partial(_answer, live, model, asked)) for model in self._state.models]

        return JSONResponse(await run_in_threadpool(ask_all))

    def _live(self, request: Request) -> LiveView:
        live = self._state.session(request).live
        if live is None:
            raise HTTPException(409, "The camera is not on. Start it.")
        return live


def _answer(live: LiveView, model: AppModel, asked: Asked) -> dict[str, Any]:
    return reply_json(live.ask(model, asked))
