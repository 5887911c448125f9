"""How often questions have an answer yet, so that training does not teach that late questions have one.

Early in a video hardly anything has happened, and late nearly everything has. If each drawn question were asked, then
the time alone would show whether the answer is "unknown", and a model would learn the time instead of the events.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: A rate is never taken as lower than this: it is estimated from a few hundred worlds.
LOWEST_RATE = 1e-3


@dataclass(frozen=True)
class AnswerRates:
    """By family, the share of the drawn questions that something answers, at times of a video."""

    times: np.ndarray
    """Times of a video, seconds, rising, (K,)."""
    answered: Mapping[str, np.ndarray]
    """By family, the share at each time, (K,)."""

    def unanswered_kept(self, family: str, wanted: float, time: float, length: float) -> float:
        """The share of the questions without an answer to keep, so that they are a wanted share at any time.

        Args:
            family: of the question.
            wanted: share of the kept questions that have no answer.
            time: of the question, seconds.
            length: seconds of the video before the question that the clip shows: what answers must lie there.
        """
        answered = max(LOWEST_RATE, float(np.interp(length, self.times, self.answered[family])))
        unanswered = max(LOWEST_RATE, 1 - float(np.interp(time, self.times, self.answered[family])))
        return min(1.0, wanted / (1 - wanted) * answered / unanswered)
