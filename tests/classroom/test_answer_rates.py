"""The share of unanswered questions that is kept, against the share that then comes out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.classroom.answer_rates import AnswerRates

RATES = AnswerRates(np.array([0.0, 10.0, 20.0]), {"who": np.array([0.0, 0.5, 0.9])})


@given(st.floats(0.1, 20.0), st.floats(0.05, 0.9))
def test_the_wanted_share_has_no_answer(time: float, wanted: float) -> None:
    answered = float(np.interp(time, RATES.times, RATES.answered["who"]))
    kept = (1 - answered) * RATES.unanswered_kept("who", wanted, time, time)
    assert kept / (kept + answered) == pytest.approx(min(wanted, 1 - answered), abs=1e-6)


def test_a_short_clip_late_in_a_video_has_few_answers_and_so_few_unanswered_questions() -> None:
    """Half a second shows an answer a fortieth as often as all of the past: so few unanswered ones are kept, too."""
    whole, short = (RATES.unanswered_kept("who", 0.2, 10.0, length) for length in (10.0, 0.5))
    assert short == pytest.approx(whole / 20)
