"""Addresses about videos: which there are, uploads, files, small pictures, how far they are, timelines."""

import math
from collections import Counter
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from vidseq.app.preparing import Preparation
from vidseq.app.state import AppState
from vidseq.app.uploads import TooLargeError, open_upload, save_upload, too_large
from vidseq.app.videos import AppVideo
from vidseq.data.schema import Query

#: What a browser may keep: no other video ever has the same address.
_KEPT = {"Cache-Control": "private, max-age=3600"}
#: Questions that are offered while a user writes.
_MAX_EXAMPLES = 60


def video_routes(state: AppState) -> list[Route]:
    """The addresses of an app's videos."""
    showing = _Showing(state)
    return [
        Route("/api/start", showing.start),
        Route("/api/videos", showing.upload, methods=["POST"]),
        Route("/api/videos/{video}", showing.progress),
        Route("/api/videos/{video}", showing.remove, methods=["DELETE"]),
        Route("/api/videos/{video}/file", showing.file),
        Route("/api/videos/{video}/picture", showing.picture),
        Route("/api/videos/{video}/timeline", showing.timeline),
    ]


def seconds_of(request: Request) -> float:
    """The time that a request's address names.

    Raises:
        HTTPException: it names none.
    """
    try:
        seconds = float(request.query_params.get("time", ""))
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise HTTPException(400, "A picture expects its time in seconds, got none.")
    return seconds


class _Showing:
    """What the addresses answer."""

    def __init__(self, state: AppState) -> None:
        self._state = state

    async def start(self, request: Request) -> Response:
        """All that the page needs to know first."""
        state, session = self._state, self._state.session(request)
        known = [] if state.dataset is None else state.dataset.videos.values()
        return JSONResponse({
            "models": [
                {"name": model.name, "asked": model.asked, "labels_frames": model.labels_frames}
                for model in state.models
            ],
            "dataset": None if state.dataset is None else state.dataset.dataset.info.name,
            "videos": [_facts(video) for video in known],
            "uploads": [_facts(video) for video in session.uploads.values()],
            "max_upload_bytes": state.settings.max_upload_bytes,
            "limit_seconds": state.settings.limit_seconds,
            "rate": float(state.rate),
            "examples": _examples(state),
            "words": sorted({word for model in state.models for word in model.model.config.vocabulary}),
        })  # fmt: skip

    async def upload(self, request: Request) -> Response:
        """Takes a file; its bytes are the body."""
        session, settings = self._state.session(request), self._state.settings
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > settings.max_upload_bytes:
            raise TooLargeError(too_large(settings.max_upload_bytes))
        path = await save_upload(request.stream(), session.folder, settings.max_upload_bytes)
        name = request.query_params.get("name", "")
        try:
            video = await run_in_threadpool(open_upload, path, name, self._state.rate, settings.limit_seconds)
        except BaseException:
            path.unlink(missing_ok=True)
            path.parent.rmdir()
            raise
        self._state.sessions.add_upload(session, video)
        return JSONResponse(_facts(video), 201)

    async def remove(self, request: Request) -> Response:
        """Deletes an upload."""
        self._state.sessions.remove_upload(self._state.session(request), request.path_params["video"])
        return Response(status_code=204)

    async def progress(self, request: Request) -> Response:
        """How far a video is; asking starts the work, and goes on asking keeps it going."""
        known: Preparation = self._state.preparer.watch(self._state.video(request))
        return JSONResponse({"state": known.state, "done": known.done, "total": known.total, "error": known.error})

    async def file(self, request: Request) -> Response:
        """The video itself, in parts where the browser asks for parts."""
        video = self._state.video(request)
        if video.path is None:
            raise HTTPException(404, "There is no file of this video, only features.")
        return FileResponse(video.path, media_type=video.media_type, headers=_KEPT)

    async def picture(self, request: Request) -> Response:
        """The sample on screen at a time, as a small picture."""
        video, seconds = self._state.video(request), seconds_of(request)
        content = None
        if video.pictures is not None:
            content = await run_in_threadpool(video.pictures.at, min(seconds, video.end))
        if content is None:
            raise HTTPException(404, "There is no picture of this video.")
        return Response(content, media_type="image/jpeg", headers=_KEPT)

    async def timeline(self, request: Request) -> Response:
        """What stands below the player, with the data set's own queries."""
        video = self._state.video(request)
        if video.timeline is None:
            raise HTTPException(409, "The video is not read yet. Wait.")
        return JSONResponse(video.timeline | {"questions": self._questions(video)})

    def _questions(self, video: AppVideo) -> list[dict[str, Any]]:
        dataset = self._state.dataset
        if dataset is None or not video.name:
            return []
        kinds = {kind for model in self._state.models for kind in model.asked}
        queries = [query for query in dataset.dataset.queries_of(video.name) if query.kind in kinds]
        return [_query(query) for query in sorted(queries, key=lambda query: query.time)]


def _examples(state: AppState) -> list[str]:
    """Questions of the data set, each once, the most frequent first."""
    if state.dataset is None:
        return []
    texts = Counter(query.question for query in state.dataset.dataset.queries if query.question)
    return [text for text, _ in texts.most_common(_MAX_EXAMPLES)]


def _query(query: Query) -> dict[str, Any]:
    return {
        "time": query.time, "kind": query.kind, "asked": query.question, "answer": query.answer,
        "evidence": [list(interval) for interval in query.evidence],
    }  # fmt: skip


def _facts(video: AppVideo) -> dict[str, Any]:
    return {
        "id": video.id, "title": video.title, "end": video.end, "duration": video.duration,
        "has_file": video.path is not None,
    }  # fmt: skip
