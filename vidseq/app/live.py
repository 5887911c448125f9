"""A camera's pictures, as a browser sends them: a stream for each model keeps what was seen."""

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from vidseq.app.answers import Asked, Reply
from vidseq.app.models import AppModel, Backbones
from vidseq.data.schema import NEXT_ACTION
from vidseq.errors import UserError
from vidseq.inference.stream import Stream


class LiveView:
    """What one camera has shown so far.

    Args:
        models: those that are asked.
        backbones: make features of its pictures.
        limit_seconds: how long it is watched.

    Raises:
        ModelError: a model was trained on features of no known CNN.
        UserError: no model can be asked live.
    """

    def __init__(self, models: Sequence[AppModel], backbones: Backbones, limit_seconds: float) -> None:
        self._models = {model.name: model for model in models if model.model.config.causal}
        if not self._models:
            raise UserError("Live expects a model that sees no future, got none. Train with causal=True.")
        self._limit, self._turn = limit_seconds, threading.Lock()
        self._streams = {name: Stream(model.model, backbones.of(model)) for name, model in self._models.items()}
        self.seconds = 0.0
        """Time of the newest picture."""

    def push(self, image: np.ndarray, seconds: float) -> dict[str, list[dict[str, Any]]]:
        """Shows models a picture.

        Args:
            image: uint8 (H, W, 3) RGB.
            seconds: since the camera started; rises from picture to picture.

        Returns:
            by model what it says without being asked: what goes on, and what happens next.

        Raises:
            UserError: the time does not rise, or lies beyond the limit.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise UserError(f"A picture expects its time in seconds, got {seconds}.")
        if seconds > self._limit:
            raise UserError(f"A camera is watched for {self._limit:g} s at most. Start it again, or raise --limit.")
        with self._turn:
            said = {}
            for name, stream in self._streams.items():
                with self._models[name].turn:
                    stream.push(image[None], [seconds])
                    said[name] = self._say(self._models[name], stream)
            self.seconds = seconds
            return said

    def ask(self, model: AppModel, asked: Asked) -> Reply:
        """Asks a model about all that was shown so far, at the newest picture.

        Raises:
            UserError: nothing was shown yet, or the model cannot be asked that.
        """
        if model.name not in self._streams:
            raise UserError(f"{model.name} sees the future, so it labels whole videos alone. Ask another model.")
        query, stream = asked.query(model), self._streams[model.name]
        with self._turn, model.turn:
            if asked.kind == NEXT_ACTION:
                answer = stream.next_action(query.question)
            else:
                answer = stream.ask(query.question or "")
        return Reply(answer.ranking, stream.num_frames, self.seconds)

    @staticmethod
    def _say(model: AppModel, stream: Stream) -> list[dict[str, Any]]:
        said = []
        if model.labels_frames:
            said.append(("now", stream.current_action()))
        if model.asked.get(NEXT_ACTION) is False:
            said.append(("next", stream.next_action()))
        return [{"what": what, "answer": it.answer, "probability": round(it.probability, 4)} for what, it in said]
