"""Addresses that ask models about a video: answers, answers from less of the past, and what decided."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vidseq.app.answers import Asked, Reply, ask, context_lengths, count_seen, read_asked, unknown_words
from vidseq.app.bodies import read_json
from vidseq.app.evidence import find_evidence
from vidseq.app.models import AppModel
from vidseq.app.state import AppState
from vidseq.app.videos import AppVideo
from vidseq.app.wanted import Check, LeftError, run_while_wanted
from vidseq.errors import UserError

#: Contexts that are asked before others get their turn.
_AT_ONCE = 4


def ask_routes(state: AppState) -> list[Route]:
    """The addresses that ask an app's models."""
    asking = _Asking(state)
    return [
        Route("/api/videos/{video}/answers", asking.answers, methods=["POST"]),
        Route("/api/videos/{video}/contexts", asking.contexts, methods=["POST"]),
        Route("/api/videos/{video}/evidence", asking.evidence, methods=["POST"]),
    ]


def answered(model: AppModel, asked: Asked, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a model answers, or why it does not."""
    try:
        found = work()
    except LeftError:
        raise
    except UserError as error:
        return {"model": model.name, "error": str(error)}
    return {"model": model.name, "unknown_words": unknown_words(model, asked.question), **found}


def reply_json(reply: Reply) -> dict[str, Any]:
    """A reply as values of JSON."""
    ranking = [[label, round(value, 4)] for label, value in reply.ranking]
    return {"ranking": ranking, "frames": reply.frames, "seconds": round(reply.seconds, 3)}


class _Asking:
    """What the addresses answer."""

    def __init__(self, state: AppState) -> None:
        self._state = state

    async def answers(self, request: Request) -> Response:
        """The answer of each model from all of the past."""
        return await self._each(request, lambda model, video, asked, check: reply_json(ask(model, video, asked)[0]))

    async def contexts(self, request: Request) -> Response:
        """The answers of each model from less and less of the past."""
        return await self._each(request, _contexts)

    async def evidence(self, request: Request) -> Response:
        """What decided the answer of each model."""
        return await self._each(request, _evidence)

    async def _each(
        self, request: Request, work: Callable[[AppModel, AppVideo, Asked, Check], dict[str, Any]]
    ) -> Response:
        video = self._state.video(request)
        body = await read_json(request)
        asked = read_asked(body, video.end)
        names = body.get("models") if isinstance(body, dict) else None
        if names is not None and not isinstance(names, list):
            raise HTTPException(400, "Asking expects a list of models, got something else.")
        models = self._state.models if names is None else [self._state.model(name) for name in names]

        def ask_all(check: Check) -> list[dict[str, Any]]:
            found = []
            for model in models:
                check()
                found.append(answered(model, asked, partial(work, model, video, asked, check)))
            return found

        return JSONResponse(await run_while_wanted(request, ask_all))


def _contexts(model: AppModel, video: AppVideo, asked: Asked, check: Check) -> dict[str, Any]:
    lengths = context_lengths(count_seen(video.features_for(model).pts_seconds, asked.time))
    replies: list[Reply] = []
    for start in range(0, len(lengths), _AT_ONCE):
        check()
        replies += ask(model, video, asked, lengths[start : start + _AT_ONCE])
    return {"contexts": [reply_json(reply) for reply in replies]}


def _evidence(model: AppModel, video: AppVideo, asked: Asked, check: Check) -> dict[str, Any]:
    return dataclasses.asdict(find_evidence(model, video, asked, check))
