"""Makes next-action queries from segments: each is asked before a segment and answered by its label."""

from collections import defaultdict
from collections.abc import Iterable

from vidseq.data.fields import is_number
from vidseq.data.format import round_seconds
from vidseq.data.schema import NEXT_ACTION, Query, Segment
from vidseq.errors import DataError


def derive_next_actions(
    segments: Iterable[Segment], own: Iterable[Query], anticipation_seconds: float, background: str | None = None
) -> list[Query]:
    """Makes a next-action query for every segment that starts late enough.

    Segments that overlap on different tracks get a query each.

    Args:
        segments: segments of all videos, those of a video sorted by start.
        own: existing next-action queries; one with the same video, time and answer is used instead of a new one.
        anticipation_seconds: time from the query to the start of the segment; 1 in EPIC-Kitchens.
        background: a label that is not an action and gets no query.

    Returns:
        the queries, in the order of the segments.

    Raises:
        DataError: `anticipation_seconds` is not a finite number of at least 0.
    """
    if not is_number(anticipation_seconds) or not 0 <= anticipation_seconds < float("inf"):
        raise DataError(f"Next action expects anticipation_seconds of at least 0, got {anticipation_seconds}.")
    ready: defaultdict[tuple[str, float, str], list[Query]] = defaultdict(list)
    for query in own:
        ready[query.video, round_seconds(query.time), query.answer].append(query)
    queries = []
    for segment in segments:
        time = round_seconds(segment.start - anticipation_seconds)
        if time < 0 or segment.label == background:
            continue
        same = ready[segment.video, time, segment.label]
        # Two tracks may start the same action at the same time: each uses its own query.
        queries.append(same.pop(0) if same else _query(segment, time))
    return queries


def _query(segment: Segment, time: float) -> Query:
    return Query(video=segment.video, time=time, kind=NEXT_ACTION, answer=segment.label)
