"""Sources of training questions: questions that are drawn anew at each step of training, not listed in a file."""

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from vidseq.data.schema import Query


class QuestionSource(Protocol):
    """Asks about a video at any time, where the answer is known at every moment.

    Listed queries ask a video a few dozen times. A source costs no more features and asks thousands.
    """

    def texts(self) -> Iterable[str]:
        """The texts that its questions may have, at least one for each word."""

    def standing(self) -> Iterable[str]:
        """A question in one wording for each thing that a frame may show, so that memory asks it at every frame."""

    def draw(
        self, video: str, time: float, count: int, rng: np.random.Generator, *, since: float = -math.inf
    ) -> list[Query]:
        """Draws queries, the same ones for one state of the generator.

        Args:
            video: name of the video.
            time: of the queries, seconds.
            count: most queries wanted; fewer come where little can be asked.
            rng: decides families, subjects and wordings.
            since: what was seen from this time on, in seconds, must suffice for the answer, as in a clip that begins
                then. Other questions would teach to guess.
        """
