"""Makes the requests to a model: every query at every context and under every input control."""

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
    """A query to answer from one past."""

    index: int
    """Index of the query in the query set."""
    context: Context
    control: str
    start: int
    """The past consists of the samples [start, stop) of the query's video."""
    stop: int
    frames: int
    """Number of samples shown."""
    changed_by: InputControl | None = None
    """The control that changes these samples before they are shown; None: they are shown unchanged."""

    @property
    def alteration(self) -> str:
        """Names the change to these samples; empty if they are shown unchanged."""
        if self.changed_by is not None:
            return self.control
        return f"every {self.context.every}" if self.context.every > 1 else ""

    @property
    def past_name(self) -> tuple[int, int, int, str]:
        """A key that is equal for two requests that show the same query the same samples."""
        if self.frames == 0:
            return self.index, 0, 0, ""
        return self.index, self.start, self.stop, self.alteration


def context_requests(query_set: QuerySet, contexts: Sequence[Context]) -> list[EvalRequest]:
    """Returns a request for every query at every context."""
    requests = []
    for index, query in enumerate(query_set.queries):
        times = query_set.video(query.video).pts_seconds
        for context in contexts:
            start, stop = context.span(times, query.time)
            frames = -(-(stop - start) // context.every)
            requests.append(EvalRequest(index, context, "", start, stop, frames))
    return requests


def control_requests(query_set: QuerySet, controls: Sequence[str]) -> list[EvalRequest]:
    """Returns the requests for every query under every input control; baselines are left out."""
    requests = []
    for name in controls:
        control = find_input_control(name)
        if control is not None:
            for index in range(len(query_set.queries)):
                requests += _control_requests(query_set, name, control, index)
    return requests


def _control_requests(query_set: QuerySet, name: str, control: InputControl, index: int) -> list[EvalRequest]:
    changed_by = None if control.only_cuts else control
    return [
        EvalRequest(index, view.context, name, view.start, view.stop, view.frames, changed_by)
        for view in control.views(query_set.past(index), query_set.queries[index])
    ]


def past_of_request(query_set: QuerySet, request: EvalRequest) -> Past:
    """Returns the samples that a request shows."""
    past, query = query_set.past(request.index), query_set.queries[request.index]
    if request.changed_by is not None:
        return request.changed_by.change(past, query, lambda: query_set.donor(request.index))
    if request.context.every == 1:
        return Past(past.features[request.start : request.stop], past.pts_seconds[request.start : request.stop])
    shown = np.arange(request.stop - 1, request.start - 1, -request.context.every)[::-1]
    return Past(past.features[shown], past.pts_seconds[shown])
