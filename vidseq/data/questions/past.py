"""Families about single actions of the past: done yet, how many times, how long ago, who did it."""

from collections.abc import Iterable, Sequence

from vidseq.data.evidence import Interval
from vidseq.data.questions.ages import AgeRanges
from vidseq.data.questions.family import (
    NO,
    NOT_DONE,
    NOT_YET,
    OVERWRITE,
    YES,
    Draft,
    Family,
    Subject,
    draft_or_none,
    labels_in_video,
)
from vidseq.data.questions.moment import Moment
from vidseq.data.schema import Segment

#: The largest count that is asked for.
MAX_COUNT = 9
#: Wrong counts differ from the right one by at most so much.
NEAR_COUNT = 2


def span(segment: Segment) -> Interval:
    """Returns the start and end of a segment."""
    return segment.start, segment.end


def _done(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers whether an action has been done yet; where it was done several times, no single one is needed."""
    done = moment.done_of(*subject)
    if done is None or len(done) > 1:
        return None
    if not done:
        return draft_or_none(NO, [YES], tier=NOT_DONE)
    return draft_or_none(YES, [NO], (span(done[0]),))


def _count(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers how many times an action has been done."""
    done = moment.done_of(*subject)
    if done is None or len(done) > MAX_COUNT:
        return None
    near = range(max(0, len(done) - NEAR_COUNT), min(MAX_COUNT, len(done) + NEAR_COUNT) + 1)
    tier = None if done else NOT_DONE
    return draft_or_none(str(len(done)), map(str, near), tuple(map(span, done)), tier)


def _ago(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers how long ago an action was last finished."""
    done = moment.done_of(*subject)
    if done is None or not ages.edges:
        return None
    possible = (*ages.answers, NOT_YET)
    if not done:
        return draft_or_none(NOT_YET, possible, tier=NOT_DONE)
    newest = max(done, key=lambda segment: segment.end)
    before = _before(done, newest)
    answer = ages.answer(moment.time - newest.end)
    if answer is None or any(ages.answer(moment.time - segment.end) in (None, answer) for segment in before):
        return None  # without the newest, the answer would be the same
    return draft_or_none(answer, possible, (span(newest),), OVERWRITE if before else None)


def _who_did(moment: Moment, subject: Subject, ages: AgeRanges) -> Draft | None:
    """Answers on which track an action was last finished."""
    done, tracks = moment.done_of(*subject), moment.actions.tracks
    if done is None:
        return None
    if not done:
        return draft_or_none(NOT_YET, tracks, tier=NOT_DONE)
    newest = latest(done)
    if newest is None:
        return None
    before = _before(done, newest)
    if any(segment.track == newest.track for segment in before):
        return None  # without the newest, the answer would be the same
    return draft_or_none(newest.track, [*tracks, NOT_YET], (span(newest),), OVERWRITE if before else None)


def _before(done: Sequence[Segment], newest: Segment) -> list[Segment]:
    """Returns the segments that would be the newest without another and what lies within it; several end together."""
    earlier = [segment for segment in done if segment.start < newest.start]
    end = max((segment.end for segment in earlier), default=None)
    return [segment for segment in earlier if segment.end == end]


def latest(segments: Sequence[Segment]) -> Segment | None:
    """Returns the segment that ends last; None if two end together."""
    ordered = sorted(segments, key=lambda segment: segment.end)
    if not ordered or (len(ordered) > 1 and ordered[-2].end == ordered[-1].end):
        return None
    return ordered[-1]


def _labels_of_tracks(moment: Moment) -> Iterable[Subject]:
    """Every label, where there are several tracks."""
    return labels_in_video(moment) if len(moment.actions.tracks) > 1 else ()


TRACKS = "segments of one action on two tracks of a video"

PAST_FAMILIES = (
    Family("done", labels_in_video, _done, "an action that one video has done before another", not_done_share=0.5),
    Family(
        "count",
        labels_in_video,
        _count,
        "an action that is done several times, or earlier in one video",
        not_done_share=0.2,
    ),
    Family("ago", labels_in_video, _ago, "an action that is done at different times", not_done_share=0.2),
    Family("who_did", _labels_of_tracks, _who_did, TRACKS, not_done_share=0.2),
)
