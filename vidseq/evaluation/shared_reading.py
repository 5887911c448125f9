"""Answers from our own models, with the work shared that contexts have in common.

* Features are projected once a video.
* What begins at one frame is read once, however many lengths and queries end where: a state is asked on the way.
* Where a head has a fixed context, every context at least as long as its reach gives the same, so one
  reading from the video's start answers all of them.
* Clips are read together by length.

Nothing is approximated: a test compares each answer with that of its own clip.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vidseq.data.query_set import QuerySet
from vidseq.evaluation.requests import EvalRequest, past_of_request
from vidseq.inference.predictor import Predictor, ProjectedClip

#: Frames that are read together before scores are handed on: bounds memory.
_MAX_FRAMES = 262_144


def answer_shared(
    predictor: Predictor, query_set: QuerySet, requests: Sequence[EvalRequest]
) -> Iterator[tuple[Sequence[EvalRequest], list[Any]]]:
    """Answers asks some at a time.

    Args:
        predictor: the model.
        exam: what the asks are about.
        asks: each past of a query once.

    Yields:
        asks, in another order than they came, and the answer to each: scores (C,), or words.
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
    """Clips with what is asked of them, as many as fit into memory, each video's together."""
    of_video: defaultdict[str, list[EvalRequest]] = defaultdict(list)
    for request in requests:
        of_video[query_set.queries[request.number].video].append(request)
    group: list[tuple[ProjectedClip, list[EvalRequest]]] = []
    frames = 0
    for video, its_asks in of_video.items():
        for clip, clip_asks in _clips(predictor, query_set, video, its_asks):
            group.append((clip, clip_asks))
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
        asked = [(max(request.stop - start, 0), query_set.queries[request.number]) for request in together]
        yield ProjectedClip(video, x[start : max(request.stop for request in together)], asked), together
    for together in altered.values():
        past = past_of_request(query_set, together[0])
        shown = predictor.project(past.features) if len(past.features) else x[:0]
        yield (
            ProjectedClip(video, shown, [(len(shown), query_set.queries[request.number]) for request in together]),
            together,
        )


def _first_frame(predictor: Predictor, request: EvalRequest) -> int:
    """Where to begin to read: from the video's start where the head has forgotten what was before."""
    head = predictor.model.head
    reach = head.context_frames
    return 0 if head.fixed_context and reach is not None and request.stop - request.start >= reach else request.start


def _altered_past(query_set: QuerySet, request: EvalRequest) -> object:
    """Equal for two requests of one video that are shown the same altered frames."""
    query = query_set.queries[request.number]
    depends_on = None if request.changed_by is None else request.changed_by.depends_on(query)
    return request.alteration, request.start, request.stop, query.time, depends_on
