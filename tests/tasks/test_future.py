"""What futures say, by hand."""

import pytest

from vidseq.tasks.future import future_rows, label_shares

SHORT, LONG, OTHER = (("cut", 2.0), ("mix", 1.0)), (("cut", 6.0), ("mix", 4.0)), (("pour", 3.0),)


@pytest.mark.parametrize(
    ("after", "shares"),
    [
        (0.0, {"cut": 2 / 3, "pour": 1 / 3}),
        (2.0, {"cut": 1 / 3, "mix": 1 / 3, "pour": 1 / 3}),  # an action ends before its last moment
        (6.5, {"mix": 2 / 3, "pour": 1 / 3}),  # what lies behind an end stays
        (99.0, {"mix": 2 / 3, "pour": 1 / 3}),
    ],
)
def test_shares(after: float, shares: dict[str, float]) -> None:
    assert dict(label_shares([SHORT, LONG, OTHER, ()], after)) == pytest.approx(shares)


def test_rows() -> None:
    first, second = future_rows("v", 10.0, SHORT, [SHORT, LONG, OTHER], top=2)
    assert (first.time, first.end, first.answer, first.question) == (
        10.0,
        12.0,
        "cut",
        "What happens from 10.000 s on?",
    )
    assert first.probability == pytest.approx(2 / 3) and first.ranking[0][0] == "cut"
    assert (second.time, second.end, second.answer) == (12.0, 13.0, "mix")
    assert second.probability == pytest.approx(1 / 3) and len(second.ranking) == 2
    assert second.as_text() == "mix (33%)"


def test_nothing_to_tell() -> None:
    assert future_rows("v", 1.0, (), [SHORT], top=3) == []
    (row,) = future_rows("v", 1.0, (("hop", 1.0),), [SHORT], top=3)
    assert row.probability == 0 and row.ranking == (("cut", 1.0),)
    (row,) = future_rows("v", 1.0, (("hop", 1.0),), [()], top=3)
    assert row.probability == 0 and row.ranking == ()
