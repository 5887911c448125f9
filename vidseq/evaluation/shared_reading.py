"""Answers from our own models, with the work shared that contexts have in common.

* Features are projected once a video.
* What begins at one frame is read once, however many lengths and queries end where: a state is asked on the way.
* Where a head forgets, every context at least as long as its reach gives the same, so all of them are asked of one
  reading from the video's start.
* Clips are read together by length.

Nothing is approximated: a test compares each answer with that of its own clip.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vidseq.data.query_set import Exam
from vidseq.evaluation.requests import Ask, past_of_ask
from vidseq.inference.predictor import Predictor, ProjectedClip

#: Frames that are read together before scores are handed on: bounds memory.
_MOST_FRAMES = 262_144


def answer_shared(predictor: Predictor, exam: Exam, asks: Sequence[Ask]) -> Iterator[tuple[Sequence[Ask], list[Any]]]:
    """Answers asks some at a time.

    Args:
        predictor: the model.
        exam: what the asks are about.
        asks: each past of a query once.

    Yields:
        asks, in another order than they came, and the answer to each: scores (C,), or words.
    """
    for group in _groups(predictor, exam, asks):
        answers = predictor.answer_clips([clip for clip, _ in group])
        yield [ask for _, together in group for ask in together], [scores for rows in answers for scores in rows]


def _groups(predictor: Predictor, exam: Exam, asks: Sequence[Ask]) -> Iterator[list[tuple[ProjectedClip, list[Ask]]]]:
    """Clips with what is asked of them, as many as fit into memory, each video's together."""
    of_video: defaultdict[str, list[Ask]] = defaultdict(list)
    for ask in asks:
        of_video[exam.queries[ask.number].video].append(ask)
    group: list[tuple[ProjectedClip, list[Ask]]] = []
    frames = 0
    for video, its_asks in of_video.items():
        for clip, clip_asks in _clips(predictor, exam, video, its_asks):
            group.append((clip, clip_asks))
            frames += len(clip.x)
        if frames > _MOST_FRAMES:
            yield group
            group, frames = [], 0
    if group:
        yield group


def _clips(
    predictor: Predictor, exam: Exam, video: str, asks: Sequence[Ask]
) -> Iterator[tuple[ProjectedClip, list[Ask]]]:
    x = predictor.project(np.asarray(exam.video(video).features, np.float32))
    plain: defaultdict[int, list[Ask]] = defaultdict(list)
    altered: defaultdict[object, list[Ask]] = defaultdict(list)
    for ask in asks:
        if ask.alteration:
            altered[_altered_past(exam, ask)].append(ask)
        else:
            plain[_first_frame(predictor, ask)].append(ask)
    for start, together in plain.items():
        asked = [(max(ask.stop - start, 0), exam.queries[ask.number]) for ask in together]
        yield ProjectedClip(video, x[start : max(ask.stop for ask in together)], asked), together
    for together in altered.values():
        past = past_of_ask(exam, together[0])
        shown = predictor.project(past.features) if len(past.features) else x[:0]
        yield ProjectedClip(video, shown, [(len(shown), exam.queries[ask.number]) for ask in together]), together


def _first_frame(predictor: Predictor, ask: Ask) -> int:
    """Where to begin to read: from the video's start where the head has forgotten what was before."""
    head = predictor.model.head
    reach = head.context_frames
    return 0 if head.forgets and reach is not None and ask.stop - ask.start >= reach else ask.start


def _altered_past(exam: Exam, ask: Ask) -> object:
    """Equal for two asks of one video that are shown the same altered frames."""
    query = exam.queries[ask.number]
    evidence = query.evidence if ask.control == "evidence_only" else ()
    return ask.alteration, ask.start, ask.stop, query.time, evidence
