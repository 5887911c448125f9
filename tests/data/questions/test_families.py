"""Each answer is that of a slow observer, is proven by its evidence, and does not hang on an edge."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from question_observer import answer, inside, outside, seen_by

from vidseq.data.questions.ages import AgeRanges, age_ranges
from vidseq.data.questions.families import FAMILIES
from vidseq.data.questions.family import NOT_DONE, Draft, Family, Subject
from vidseq.data.questions.moment import MARGIN_SECONDS, Actions, Moment
from vidseq.data.schema import Segment

AGES = AgeRanges((5.0, 10.0, 20.0))
#: Families of which the answer is known at the time, by an observer.
KNOWN = [family for name, family in FAMILIES.items() if name != "next"]


def segment(start: float, end: float, label: str, track: str = "") -> Segment:
    return Segment(video="v", start=start, end=end, label=label, track=track)


#: Half seconds before an action and of it, and its label.
STEPS = st.lists(st.tuples(st.sampled_from((0, 0, 1, 4)), st.integers(1, 16), st.sampled_from("ABCDE")), max_size=9)


def make_moment(tracks: dict[str, list[tuple[int, int, str]]], half_seconds: int) -> Moment:
    """Actions on tracks, one after another with or without gaps, and a time."""
    segments = []
    for track, steps in tracks.items():
        end = 0
        for gap, length, label in steps:
            segments.append(segment((end + gap) / 2, (end + gap + length) / 2, label, track))
            end += gap + length
    return Actions(segments).at(half_seconds / 2)


def moments() -> st.SearchStrategy[Moment]:
    """One or two tracks."""
    tracks = st.one_of(st.fixed_dictionaries({"": STEPS}), st.fixed_dictionaries({"Ann": STEPS, "Ben": STEPS}))
    return st.builds(make_moment, tracks, st.integers(0, 120))


def drafts(moment: Moment, families: list[Family]) -> list[tuple[Family, Subject, Draft]]:
    asked = [(family, subject) for family in families for subject in family.subjects(moment)]
    found = [(family, subject, family.draft(moment, subject, AGES)) for family, subject in asked]
    return [(family, subject, draft) for family, subject, draft in found if draft is not None]


@example(make_moment({"Ann": [(0, 6, "B"), (0, 1, "B")], "Ben": [(4, 1, "A"), (0, 4, "A")]}, 8))
@given(moments())
def test_answers_are_those_of_an_observer_and_evidence_proves_them(moment: Moment) -> None:
    facts = seen_by(moment.actions.segments, moment.time)
    for family, subject, draft in drafts(moment, KNOWN):

        def observed(part: list[Segment], name: str = family.name, about: Subject = subject) -> str:
            return answer(name, about, part, moment.time, AGES)

        assert observed(facts) == draft.answer, (family.name, subject)
        if draft.tier == NOT_DONE:
            assert not draft.evidence and observed([]) == draft.answer
        else:
            assert observed(inside(facts, draft.evidence, moment.time)) == draft.answer, (family.name, subject)
            assert observed(outside(facts, draft.evidence, moment.time)) != draft.answer, (family.name, subject)


@given(moments(), st.sampled_from([-0.9, 0.9]))
def test_a_little_earlier_or_later_the_answer_is_the_same(moment: Moment, shift: float) -> None:
    time = moment.time + shift
    facts = seen_by(moment.actions.segments, time)
    for family, subject, draft in drafts(moment, KNOWN):
        assert answer(family.name, subject, facts, time, AGES) == draft.answer, (family.name, subject)


@given(moments())
def test_evidence_is_seen_and_other_answers_are_wrong(moment: Moment) -> None:
    for _, _, draft in drafts(moment, list(FAMILIES.values())):
        assert draft.others and draft.answer not in draft.others
        assert all(0 <= start < end <= moment.time for start, end in draft.evidence)


@given(moments())
def test_what_comes_next_is_going_on_then_and_has_not_begun(moment: Moment) -> None:
    for _, (lead,), draft in drafts(moment, [FAMILIES["next"]]):
        then = moment.time + float(lead)
        (coming,) = [s for s in moment.actions.segments if s.start <= then < s.end]
        assert (coming.label, draft.evidence) == (draft.answer, ()) and coming.start > moment.time
        assert draft.answer not in {
            s.label for s in seen_by(moment.actions.segments, moment.time) if s.end > moment.time
        }


@given(moments())
def test_the_future_changes_no_answer_about_the_past(moment: Moment) -> None:
    """It may decide what is asked about: an action that never happens is not asked about."""
    known = [s for s in moment.actions.segments if s.start < moment.time + MARGIN_SECONDS]
    cut = Actions(known).at(moment.time)
    for family, subject, draft in drafts(cut, KNOWN):
        full = family.draft(moment, subject, AGES)
        assert full is None or full.answer == draft.answer


#: cheese 2-6, oil 6-10, cheese 12-16, mix 20-30
SALAD = Actions(
    [segment(2, 6, "cheese"), segment(6, 10, "oil"), segment(12, 16, "cheese"), segment(20, 30, "mix")]
)  # fmt: skip


@pytest.mark.parametrize(
    ("family", "subject", "time", "expected"),
    [
        ("done", ("oil",), 5, ("no", ())),
        ("done", ("oil",), 11, ("yes", ((6, 10),))),
        ("done", ("oil",), 10.5, None),  # only just
        ("done", ("oil",), 8, None),  # going on
        ("done", ("cheese",), 17, None),  # twice: neither is needed
        ("count", ("cheese",), 9, ("1", ((2, 6),))),
        ("count", ("cheese",), 25, ("2", ((2, 6), (12, 16)))),
        ("ago", ("oil",), 17.5, ("5 s to 10 s", ((6, 10),))),
        ("ago", ("oil",), 19.5, None),  # 9.5 s is nearly 10 s
        ("ago", ("cheese",), 9, ("less than 5 s", ((2, 6),))),
        ("ago", ("mix",), 9, ("not yet", ())),
        ("first", (), 25, ("cheese", ((2, 6),))),
        ("last", (), 11.5, ("oil", ((6, 10),))),
        ("last", (), 16.5, None),  # the cheese only just
        ("last", (), 25, ("cheese", ((12, 16),))),
        ("before", ("oil",), 11, ("cheese", ((2, 6), (6, 10)))),
        ("before", ("mix",), 25, None),  # going on
        ("before", ("mix",), 31, ("cheese", ((12, 16), (20, 30)))),
        ("before", ("mix",), 11, ("not yet", ())),
        ("after", ("oil",), 14, None),  # what follows goes on
        ("after", ("oil",), 18, ("cheese", ((6, 10), (12, 16)))),
        ("order", ("mix", "oil"), 31, ("oil", ((6, 10), (20, 30)))),
        ("order", ("cheese", "oil"), 31, None),  # cheese was done twice
        ("now", (), 14, ("cheese", ((13, 14),))),
        ("now", (), 6, None),  # an edge
        ("next", ("5",), 18, ("mix", ())),
    ],
)
def test_a_salad_by_hand(
    family: str, subject: Subject, time: float, expected: tuple[str, tuple[tuple[float, float], ...]] | None
) -> None:
    draft = FAMILIES[family].draft(SALAD.at(time), subject, AGES)
    assert expected == (None if draft is None else (draft.answer, draft.evidence))


def test_tracks_by_hand() -> None:
    actions = Actions([segment(0, 4, "cut", "Ann"), segment(6, 9, "cut", "Ben"), segment(10, 20, "mix", "Ann")])
    who_did, who_does, now = FAMILIES["who_did"], FAMILIES["who_does"], FAMILIES["now"]
    did = who_did.draft(actions.at(12), ("cut",), AGES)
    assert did is not None and (did.answer, did.evidence, did.tier) == ("Ben", ((6, 9),), "overwrite")
    assert did.others == {"Ann", "not yet"}
    does = who_does.draft(actions.at(12), ("mix",), AGES)
    assert does is not None and (does.answer, does.evidence) == ("Ann", ((11, 12),))
    assert list(now.subjects(actions.at(12))) == [("Ann",), ("Ben",)]
    assert now.draft(actions.at(12), ("Ben",), AGES) is None
    alone = Actions([segment(0, 4, "cut"), segment(6, 9, "cut")])
    assert not list(who_did.subjects(alone.at(12))) and not list(who_does.subjects(alone.at(8)))


def test_ranges_of_ages() -> None:
    assert AGES.answers == ("less than 5 s", "5 s to 10 s", "10 s to 20 s", "more than 20 s")
    assert [AGES.answer(age) for age in (3.9, 4.5, 6.5, 15, 21.5)] == [
        *("less than 5 s", None, "5 s to 10 s", "10 s to 20 s", "more than 20 s")
    ]
    assert AgeRanges((60.0, 180.0)).answers == ("less than 60 s", "60 s to 3 min", "more than 3 min")
    assert AgeRanges(()).answers == () and AgeRanges(()).answer(3) is None
    # Ages of "a" at 5, 10, ... 100 s, and one of 0 s: their quartiles are 25, 50 and 75 s.
    long = Actions([segment(0, 0.01, "a"), segment(0, 100, "b")])
    assert age_ranges([long]).edges == (30.0, 45.0, 90.0)
    assert age_ranges([Actions([])]).edges == ()
