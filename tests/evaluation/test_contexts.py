"""Contexts: how they are written, and which frames they show."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.data.visible import past_of
from vidseq.errors import UserError
from vidseq.evaluation.contexts import DEFAULT_CONTEXTS, Context, parse_contexts
from vidseq.video.sampling import SAME_TIME_SECONDS


def names(text, longest=math.inf):
    return [context.name for context in parse_contexts(text, longest)]


def test_how_contexts_are_written():
    assert names("1f,1s,2.5s,full") == ["1f", "1s", "2.5s", "full"]
    assert names(["8f", "full", "8f"]) == ["8f", "full"]
    assert names(DEFAULT_CONTEXTS, 20.0) == ["1f", "1s", "2s", "4s", "8s", "16s", "full"]
    assert names("full/2,8s/4,6f/3") == ["full/2", "8s/4", "6f/3"]
    assert names("1s,...,full", 1.5) == ["1s", "full"]


@pytest.mark.parametrize(
    ("text", "longest", "message"),
    [
        ("1x", math.inf, r"frames \(8f\), seconds \(1.5s\), full or ..., got '1x'"),
        ("0s", math.inf, "got '0s'"),
        ("0f", math.inf, "got '0f'"),
        ("", math.inf, "got ''"),
        ("full/0", math.inf, "got 'full/0'"),
        ("30s", 20.0, "at most the longest past, 20.0 s, got 30s. Use full"),
        ("1f,...", 20.0, "seconds such as 2s before '...'"),
        ("1s,...", math.inf, "the longest past to be known for '...'"),
    ],
)
def test_contexts_that_cannot_be_read(text, longest, message):
    with pytest.raises(UserError, match=message):
        parse_contexts(text, longest)


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=30, unique=True).map(sorted),
    st.floats(0, 120),
    st.floats(0.1, 200),
)
def test_seconds_show_the_frames_after_t_minus_l_up_to_t(times, time, seconds):
    times = np.array(times)
    past = past_of(times[:, None], times, time)
    first, stop = Context(seconds=seconds).span(times, time)
    seen = times[first:stop]
    after, until = time - seconds + SAME_TIME_SECONDS, time + SAME_TIME_SECONDS
    assert seen.tolist() == [pts for pts in times if after < pts <= until]
    assert past.features[first:, 0].tolist() == seen.tolist()


def test_frames_show_the_newest():
    times = np.arange(5.0)
    assert Context(frames=2).span(times, 3.2) == (2, 4)
    assert Context(frames=9).span(times, 3.2) == (0, 4)
    assert Context().span(times, 3.2) == (0, 4)


def test_lengths_in_seconds():
    assert Context(frames=4).in_seconds(0.25) == 1.0
    assert Context(seconds=3).in_seconds(0.25) == 3
    assert Context().in_seconds(0.25) == math.inf
