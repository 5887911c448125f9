import pytest

from vidseq.data.action_sequences import derive_action_sequences, evenly, future_of, read_future, write_future
from vidseq.data.schema import Segment
from vidseq.errors import DataError, UserError


def segments(*parts: tuple[str, float, float]) -> list[Segment]:
    return [Segment(video="v", label=label, start=start, end=end) for label, start, end in parts]


DAY = segments(("cut", 0, 4), ("mix", 4, 9), ("cut", 10, 12))


def test_a_future_begins_with_what_is_left_of_the_present() -> None:
    assert future_of(DAY, 3) == (("cut", 1), ("mix", 5), ("cut", 2))
    assert future_of(DAY, 4) == (("mix", 5), ("cut", 2))
    assert future_of(DAY, 9.5) == (("cut", 2),)
    assert future_of(DAY, 12) == ()
    with pytest.raises(
        DataError, match=r"segments of 'v' that do not overlap, got one that starts at 3\.000 s before"
    ):
        future_of(segments(("cut", 0, 4), ("mix", 3, 9)), 1)


def test_queries_say_their_future() -> None:
    queries = derive_action_sequences(DAY, evenly(DAY, 4))
    assert [query.time for query in queries] == [1.5, 4.5, 7.5, 10.5]
    assert [read_future(query.answer) for query in queries] == [future_of(DAY, query.time) for query in queries]
    assert derive_action_sequences(DAY, [12.0]) == evenly([], 3) == []
    assert read_future(write_future((("a; 3", 1.23456),))) == (("a; 3", 1.235),)
    with pytest.raises(UserError, match=r"expect a count of at least 1, got 0\."):
        evenly(DAY, 0)
