"""Agreement with true evidence, by hand on small cases, and the table by family."""

import numpy as np
import pytest
from planted_past import CLASSES, model_of, past_of_length, query_at

from vidseq.errors import UserError
from vidseq.explain.evidence_agreement import agreement, important_past_rows, important_past_table
from vidseq.explain.find import find_important_past


def found_by(rule, evidence, num_frames=20, **query):
    past = past_of_length(num_frames)
    return find_important_past(model_of(rule), CLASSES, past, query_at(past, evidence, **query))


def test_by_hand():
    # Needs frames 4 to 7; the evidence is said to be 6 to 11 and 15.
    found = found_by(lambda seen: {4, 5, 6, 7} <= seen, evidence=((6, 12), (15, 16)))
    agrees = agreement(found)
    assert agrees.iou == pytest.approx(2 / 9)
    assert agrees.inside == 0.5
    assert agrees.intervals_hit == 0.5
    assert agrees.chance == pytest.approx(7 / 20)
    assert agrees.evidence_suffices == 0 and agrees.evidence_loss == pytest.approx(found.probability, abs=0.01)
    peak = found.peak
    assert peak is not None and agrees.pointing == float(peak.start >= 6)


def test_perfect_and_none():
    assert agreement(found_by(lambda seen: {8, 9} <= seen, evidence=((8, 10),)))[:5] == (1, 1, 1, 1, 1)
    assert np.isnan(agreement(found_by(lambda seen: 3 in seen, evidence=()))).all()
    alone = agreement(found_by(lambda seen: True, evidence=((8, 10),)))
    assert alone.iou == 0 and np.isnan(alone.inside) and alone.pointing == 0


def test_a_fact_seen_elsewhere_too_is_no_fault():
    agrees = agreement(found_by(lambda seen: bool(seen & {2, 9}), evidence=((2, 3),)))
    assert agrees.evidence_suffices == 1 and agrees.evidence_loss == 0 and agrees.iou in (0, 1)


def test_table_by_family():
    right = [found_by(lambda seen, n=n: n in seen, evidence=((n, n + 1),), family="then") for n in range(4)]
    wrong = found_by(lambda seen: 3 in seen, evidence=((5, 6),), family="then", answer="blue")
    blind = [found_by(lambda seen: True, evidence=((5, 6),), family="now") for _ in range(2)]
    rows = important_past_rows([*right, wrong, *blind], ["a", "a", "b", "c", "c", "a", "b"])
    assert rows["sufficient_frames"].tolist() == [1, 1, 1, 1, 1, 0, 0]
    table = important_past_table(rows).set_index("family")
    assert table.loc["then", ["iou", "iou_low", "iou_high", "pointing", "num_queries", "num_groups"]].tolist() == [
        1, 1, 1, 1, 4, 3,
    ]  # fmt: skip
    assert table.loc["then", "chance"] == 1 / 20
    assert table.loc["now", ["iou", "needs_none"]].tolist() == [0, 1] and np.isnan(table.loc["now", "inside"])
    assert important_past_table(rows, correct_only=False).set_index("family").loc["then", "iou"] == 0.8


def test_no_evidence_no_table():
    rows = important_past_rows([found_by(lambda seen: 3 in seen, evidence=())], ["a"])
    with pytest.raises(UserError, match="queries with evidence, answered right, got none"):
        important_past_table(rows)
