import itertools

from hypothesis import given
from hypothesis import strategies as st

from vidseq.classroom.record import Fact, Record
from vidseq.data.evidence import merge

spans = st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda pair: (float(pair[0]), float(sum(pair))))
facts = st.lists(spans, max_size=6).map(
    lambda found: Record(tuple(sorted(Fact(*span, f"child{k}", "action", "dance") for k, span in enumerate(found))))
)


def length(record):
    return sum(fact.end - fact.start for fact in record.facts)


@given(facts, spans)
def test_a_window_and_its_blank_share_out_the_record(record, span):
    inside, outside = record.window(*span), record.without([span])
    assert all(span[0] <= fact.start < fact.end <= span[1] for fact in inside.facts)
    assert not any(fact.end > span[0] and fact.start < span[1] for fact in outside.facts)
    assert length(inside) + length(outside) == length(record)


@given(st.lists(spans, max_size=6))
def test_merged_intervals_cover_the_same_and_lie_apart(found):
    merged = merge(found)
    covered = {t for start, end in found for t in range(int(start), int(end))}
    assert {t for start, end in merged for t in range(int(start), int(end))} == covered
    assert all(before[1] < after[0] for before, after in itertools.pairwise(merged))


def test_intervals_closer_than_a_gap_are_merged():
    assert merge([(0.0, 1.0), (5.0, 6.0), (20.0, 21.0)], 5.0) == ((0.0, 6.0), (20.0, 21.0))


def test_facts_are_found_by_entity_attribute_and_time():
    record = Record((Fact(0.0, 2.0, "rug", "color", "red"), Fact(3.0, 4.0, "chair", "color", "blue")))
    assert [fact.value for fact in record.find(None, "color")] == ["red", "blue"]
    assert [fact.value for fact in record.find("chair", "color")] == ["blue"]
    assert [fact.value for fact in record.find(None, "color", at=1.0)] == ["red"]
    assert list(record.find(None, "shirt")) == []
