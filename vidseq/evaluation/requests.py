"""What is asked of a model: every query at every context and under every input control."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.data.query_set import QuerySet
from vidseq.data.visible import Past
from vidseq.evaluation.contexts import Context
from vidseq.evaluation.controls import find_input_control
from vidseq.evaluation.input_controls import InputControl


@dataclass(frozen=True)
class EvalRequest:
    """One query to answer from one past."""

    number: int
    """The query, by its index in the query set."""
    context: Context
    control: str
    start: int
    """The frames [start, stop) of the query's video are what the past is made of."""
    stop: int
    frames: int
    """How many frames are shown."""
    changed_by: InputControl | None = None
    """What changes these frames before they are shown."""

    @property
    def alteration(self) -> str:
        """What is done to these frames; empty where they are shown as they are."""
        if self.changed_by is not None:
            return self.control
        return f"every {self.context.every}" if self.context.every > 1 else ""

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
    """Every query under every input control; baselines are left out."""
    requests = []
    for name in controls:
        control = find_input_control(name)
        if control is not None:
            for number in range(len(query_set.queries)):
                requests += _control_requests(query_set, name, control, number)
    return requests


def _control_requests(query_set: QuerySet, name: str, control: InputControl, number: int) -> list[EvalRequest]:
    changed_by = None if control.only_cuts else control
    return [
        EvalRequest(number, view.context, name, view.start, view.stop, view.frames, changed_by)
        for view in control.views(query_set.past(number), query_set.queries[number])
    ]


def past_of_request(query_set: QuerySet, request: EvalRequest) -> Past:
    """The samples that a request shows."""
    past, query = query_set.past(request.number), query_set.queries[request.number]
    if request.changed_by is not None:
        return request.changed_by.change(past, query, lambda: query_set.donor(request.number))
    if request.context.every == 1:
        return Past(past.features[request.start : request.stop], past.pts_seconds[request.start : request.stop])
    shown = np.arange(request.stop - 1, request.start - 1, -request.context.every)[::-1]
    return Past(past.features[shown], past.pts_seconds[shown])
