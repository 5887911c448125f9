"""What is asked of a model: every query at every context and under every control of its input."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.data.query_set import QuerySet
from vidseq.data.visible import Past
from vidseq.evaluation.contexts import Context
from vidseq.evaluation.controls import BEST_FRAME
from vidseq.evaluation.input_controls import INPUT_CONTROLS, evidence_only, parse_swap_seconds, swap_past

#: `best_frame` asks of so many frames of the past, evenly spread, the newest among them.
BEST_OF = 32


@dataclass(frozen=True)
class EvalRequest:
    """One query to answer from one past."""

    number: int
    """The query, by place in the exam."""
    context: Context
    control: str
    start: int
    """The frames [start, stop) of the query's video are what the past is made of."""
    stop: int
    frames: int
    """How many frames are shown."""

    @property
    def alteration(self) -> str:
        """What is done to these frames; empty where they are shown as they are."""
        if self.control in ("", "blind", "last_frame", BEST_FRAME):
            return f"every {self.context.every}" if self.context.every > 1 else ""
        return self.control

    @property
    def past_name(self) -> tuple[int, int, int, str]:
        """Equal for two that are the same query with the same frames, so that they are computed once."""
        if self.frames == 0:
            return self.number, 0, 0, ""
        return self.number, self.start, self.stop, self.alteration


def context_requests(query_set: QuerySet, contexts: Sequence[Context]) -> list[EvalRequest]:
    """Every query at every context."""
    requests = []
    for number, query in enumerate(query_set.queries):
        times = query_set.video(query.video).pts_seconds
        for context in contexts:
            start, stop = context.span(times, query.time)
            frames = -(-(stop - start) // context.every)
            requests.append(EvalRequest(number, context, "", start, stop, frames))
    return requests


def control_requests(query_set: QuerySet, controls: Sequence[str]) -> list[EvalRequest]:
    """Every query under every control of the input, with all the past; of `evidence_only`, those with evidence."""
    requests = []
    for control in controls:
        for number in range(len(query_set.queries)):
            requests += _control_requests(query_set, control, number)
    return requests


def _control_requests(query_set: QuerySet, control: str, number: int) -> list[EvalRequest]:
    past, query = query_set.past(number), query_set.queries[number]
    stop = len(past.pts_seconds)
    if control == "blind":
        return [EvalRequest(number, Context(frames=0), control, 0, 0, 0)]
    if control == "last_frame":
        return [EvalRequest(number, Context(frames=1), control, stop - 1, stop, 1)]
    if control == BEST_FRAME:
        # Evenly spread and counted from the newest, so that the newest is always among them.
        places = stop - 1 - np.unique(np.linspace(0, stop - 1, min(BEST_OF, stop)).round().astype(int))
        return [EvalRequest(number, Context(frames=1), control, int(place), int(place) + 1, 1) for place in places]
    if control == "evidence_only":
        shown = len(evidence_only(past, query).pts_seconds)
        return [EvalRequest(number, Context(), control, 0, stop, shown)] if query.evidence else []
    if control in INPUT_CONTROLS or parse_swap_seconds(control) is not None:
        return [EvalRequest(number, Context(), control, 0, stop, stop)]
    return []


def past_of_request(query_set: QuerySet, request: EvalRequest) -> Past:
    """What an ask shows."""
    past, query = query_set.past(request.number), query_set.queries[request.number]
    swap_seconds = parse_swap_seconds(request.control)
    if swap_seconds is not None:
        return swap_past(past, query, query_set.donor(request.number), swap_seconds)
    if request.control in INPUT_CONTROLS and request.control not in ("blind", "last_frame"):
        return INPUT_CONTROLS[request.control](past, query)
    places = np.arange(request.stop - 1, request.start - 1, -request.context.every)[::-1]
    if request.context.every == 1:
        return Past(past.features[request.start : request.stop], past.pts_seconds[request.start : request.stop])
    return Past(past.features[places], past.pts_seconds[places])
