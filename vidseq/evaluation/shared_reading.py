"""Answers requests to a `Predictor` and shares the work that contexts have in common.

* The features of a video are projected once.
* Clips that begin at the same frame are read once, and the state is asked at each time where one of them ends.
* A head with a fixed context answers all contexts of at least that length the same, so one reading from the video's
  start answers them all.
* Clips of similar length are read together.

Nothing is approximated: a test compares each answer with that of its own clip.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vidseq.data.query_set import QuerySet
from vidseq.evaluation.requests import EvalRequest, past_of_request
from vidseq.inference.predictor import Predictor, ProjectedClip

#: Number of frames that are read together, which bounds memory.
_MAX_FRAMES = 262_144


def answer_shared(
    predictor: Predictor, query_set: QuerySet, requests: Sequence[EvalRequest]
) -> Iterator[tuple[Sequence[EvalRequest], list[Any]]]:
    """Answers requests in groups.

    Args:
        predictor: the model.
        query_set: the queries and videos of the requests.
        requests: distinct requests.

    Yields:
        some of the requests, in any order, and the answer to each: scores (C,), or words.
    """
    for group in _groups(predictor, query_set, requests):
        answers = predictor.answer_clips([clip for clip, _ in group])
        yield (
            [request for _, together in group for request in together],
            [scores for rows in answers for scores in rows],
        )


def _groups(
    predictor: Predictor, query_set: QuerySet, requests: Sequence[EvalRequest]
) -> Iterator[list[tuple[ProjectedClip, list[EvalRequest]]]]:
    """Yields groups of clips with their requests; the clips of a video stay in one group."""
    of_video: defaultdict[str, list[EvalRequest]] = defaultdict(list)
    for request in requests:
        of_video[query_set.queries[request.index].video].append(request)
    group: list[tuple[ProjectedClip, list[EvalRequest]]] = []
    frames = 0
    for video, of_this_video in of_video.items():
        for clip, of_this_clip in _clips(predictor, query_set, video, of_this_video):
            group.append((clip, of_this_clip))
            frames += len(clip.x)
        if frames > _MAX_FRAMES:
            yield group
            group, frames = [], 0
    if group:
        yield group


def _clips(
    predictor: Predictor, query_set: QuerySet, video: str, requests: Sequence[EvalRequest]
) -> Iterator[tuple[ProjectedClip, list[EvalRequest]]]:
    x = predictor.project(np.asarray(query_set.video(video).features, np.float32))
    plain: defaultdict[int, list[EvalRequest]] = defaultdict(list)
    altered: defaultdict[object, list[EvalRequest]] = defaultdict(list)
    for request in requests:
        if request.alteration:
            altered[_altered_past(query_set, request)].append(request)
        else:
            plain[_first_frame(predictor, request)].append(request)
    for start, together in plain.items():
        asked = [(max(request.stop - start, 0), query_set.queries[request.index]) for request in together]
        yield ProjectedClip(video, x[start : max(request.stop for request in together)], asked), together
    for together in altered.values():
        past = past_of_request(query_set, together[0])
        shown = predictor.project(past.features) if len(past.features) else x[:0]
        yield (
            ProjectedClip(video, shown, [(len(shown), query_set.queries[request.index]) for request in together]),
            together,
        )


def _first_frame(predictor: Predictor, request: EvalRequest) -> int:
    """Returns the first frame to read: the video's start if the head has forgotten all frames before the context."""
    head = predictor.model.head
    reach = head.context_frames
    return 0 if head.fixed_context and reach is not None and request.stop - request.start >= reach else request.start


def _altered_past(query_set: QuerySet, request: EvalRequest) -> object:
    """Returns a key that is equal for two requests of one video that show the same altered frames."""
    query = query_set.queries[request.index]
    depends_on = None if request.changed_by is None else request.changed_by.depends_on(query)
    return request.alteration, request.start, request.stop, query.time, depends_on
