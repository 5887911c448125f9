import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.data.next_actions import derive_next_actions
from vidseq.data.schema import Query, Segment
from vidseq.errors import DataError


def segment(start: float, label: str, track: str = "", video: str = "v") -> Segment:
    return Segment(video=video, start=start, end=start + 1, label=label, track=track)


def query(time: float, answer: str, **fields: str) -> Query:
    return Query(video="v", time=time, kind="next_action", answer=answer, **fields)


def test_asked_before_each_segment_that_leaves_room() -> None:
    segments = [segment(0.5, "cut"), segment(1.0, "stir"), segment(4.25, "cut")]
    assert derive_next_actions(segments, [], 1.0) == [query(0.0, "stir"), query(3.25, "cut")]


def test_each_track_counts() -> None:
    segments = [segment(2.0, "cut", "anna"), segment(2.5, "stir", "ben"), segment(2.5, "cut", "anna")]
    assert [item.time for item in derive_next_actions(segments, [], 0.5)] == [1.5, 2.0, 2.0]


def test_background_asks_for_nothing() -> None:
    assert derive_next_actions([segment(2.0, "cut"), segment(3.0, "idle")], [], 1.0, "idle") == [query(1.0, "cut")]


def test_own_queries_keep_what_they_say() -> None:
    own = [
        query(1.0, "cut", question="What will Anna do next?", cause="cue"),
        query(1.0, "cut", question="What will Ben do next?"),
        query(0.7, "cut", question="another time"),
    ]
    segments = [segment(2.0, "cut", "anna"), segment(2.0, "cut", "ben"), segment(2.0, "cut", "cat")]
    assert derive_next_actions(segments, own, 1.0) == [*own[:2], query(1.0, "cut")]


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), True, "1"])
def test_bad_anticipation(bad: float) -> None:
    with pytest.raises(DataError, match=r"Next action expects anticipation_seconds of at least 0, got"):
        derive_next_actions([], [], bad)


def slow_reference(segments: list[Segment], milliseconds: int) -> list[tuple[str, int, str]]:
    """By whole milliseconds: at each one, look what starts so much later."""
    found = []
    for video in dict.fromkeys(item.video for item in segments):
        for now in range(2001):
            for item in segments:
                if item.video == video and round(item.start * 1000) == now + milliseconds:
                    found.append((video, now, item.label))
    return found


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2000), st.sampled_from(["cut", "stir"])), max_size=5),
    st.integers(0, 2500),
)
def test_against_a_slow_reference(rows: list[tuple[str, int, str]], milliseconds: int) -> None:
    rows = sorted(rows)
    segments = [segment(start / 1000, label, video=video) for video, start, label in rows]
    derived = derive_next_actions(segments, [], milliseconds / 1000)
    assert [(item.video, round(item.time * 1000), item.answer) for item in derived] == slow_reference(
        segments, milliseconds
    )
