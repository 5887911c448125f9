from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.data.splits import assign_splits, group_rule
from vidseq.errors import DataError, UserError

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "a", "b"])), max_size=40), st.integers(0, 99))
def test_a_group_is_never_in_two_splits(rows: list[tuple[int, str | None]], seed: int) -> None:
    videos = [(f"v{number}", f"g{group}", label) for number, (group, label) in enumerate(rows)]
    splits = assign_splits(videos, SHARES, seed)
    assert splits.keys() == {video for video, _, _ in videos}
    for group in {group for _, group, _ in videos}:
        assert len({splits[video] for video, other, _ in videos if other == group}) == 1
    assert splits == assign_splits(list(reversed(videos)), SHARES, seed)


def test_proportions_hold_overall_and_in_each_class() -> None:
    videos = [(f"v{n}", f"v{n}", "ab"[n % 2]) for n in range(200)]
    splits = assign_splits(videos, SHARES, 0)
    assert Counter(splits.values()) == {"train": 140, "val": 30, "test": 30}
    assert Counter(splits[video] for video, _, label in videos if label == "a") == {"train": 70, "val": 15, "test": 15}


def test_classes_of_one_video_still_fill_all_splits() -> None:
    splits = assign_splits([(f"v{n}", f"v{n}", f"c{n}") for n in range(20)], SHARES, 0)
    assert Counter(splits.values()) == {"train": 14, "val": 3, "test": 3}


def test_the_seed_decides() -> None:
    videos = [(f"v{n}", f"v{n}", None) for n in range(20)]
    assert assign_splits(videos, SHARES, 0) != assign_splits(videos, SHARES, 1)


@pytest.mark.parametrize("shares", [{}, {"train": 0.0}, {"train": -1.0, "test": 2.0}, {"train": float("nan")}])
def test_bad_proportions(shares: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"Splits expect proportions of at least 0, not all 0, got"):
        assign_splits([("v", "v", None)], shares, 0)


def test_group_rule() -> None:
    assert group_rule(r"^(P\d+)_")("P03_cam01_P03_milk") == "P03"
    assert group_rule(r"^\d+")("01-2") == "01"
    assert group_rule(None)("01-2") is None
    with pytest.raises(DataError, match=r"The group rule '\^P' expects to match every video's name, got '01-2'"):
        group_rule("^P")("01-2")
    with pytest.raises(UserError, match=r"A group rule expects a regular expression, got '\('"):
        group_rule("(")
