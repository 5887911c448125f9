"""Controls: what a model scores when something is taken from its input, and what no model at all scores.

Input controls change the past and ask the model; baselines answer without it. A curve without them is not shown.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.baselines.bag import bag_of_frames, bag_of_labels
from vidseq.baselines.baseline_data import BaselineData
from vidseq.baselines.chain import ngram, parse_order
from vidseq.baselines.counts import majority, repeat_last_label, time_only
from vidseq.data.schema import Query
from vidseq.errors import UserError, unknown_name
from vidseq.evaluation.input_controls import INPUT_CONTROLS, parse_swap_seconds

#: The single frame of the past that the model is surest of an answer with: a selector that knows no order.
BEST_FRAME = "best_frame"
#: All that there are.
ALL = "all"


@dataclass(frozen=True)
class Baseline:
    """A control that asks no model."""

    answer: Callable[[BaselineData], np.ndarray]
    """Scores (N, C) of a study's queries."""
    from_labels: bool = False
    """Whether it reads labels of past segments, and so answers next actions alone."""


_BASELINES: Mapping[str, Baseline] = {
    "majority": Baseline(majority),
    "time_only": Baseline(time_only),
    "bag_of_frames": Baseline(bag_of_frames),
    "repeat_last_label": Baseline(repeat_last_label, from_labels=True),
    "ngram": Baseline(ngram, from_labels=True),
    "bag_of_labels": Baseline(bag_of_labels, from_labels=True),
}
#: What there is, by the word before any colon.
CONTROLS = (*INPUT_CONTROLS, "swapped_past", BEST_FRAME, *_BASELINES)


def find_baseline(control: str) -> Baseline | None:
    """The baseline of that name, such as "ngram:2"; None for a control of the input."""
    order = parse_order(control)
    if order is not None:
        return Baseline(functools.partial(ngram, order=order), from_labels=True)
    return _BASELINES.get(control)


def check_controls(controls: Sequence[str]) -> None:
    """Refuses a control that does not exist, naming the nearest.

    Raises:
        UserError: an unknown control.
    """
    for control in controls:
        known = control in CONTROLS or parse_swap_seconds(control) is not None or parse_order(control) is not None
        if not known:
            raise unknown_name("control", control, CONTROLS)


def choose_controls(
    controls: Sequence[str], queries: Iterable[Query], *, num_groups: int, has_segments: bool
) -> list[str]:
    """Spells out "all": every control that these queries can be put to.

    Args:
        controls: names, "all" among them or not.
        queries: what will be asked.
        num_groups: of the split; a past is swapped with another group's.
        has_segments: whether past labels are known.

    Returns:
        each control once.

    Raises:
        UserError: an unknown control, or one that is named but has nothing to work on.
    """
    queries = list(queries)
    forecasts = has_segments and any(query.kind == "next_action" for query in queries)
    from_labels = "" if forecasts else "next actions, and segments of the past, got none"
    missing = {name: from_labels for name, baseline in _BASELINES.items() if baseline.from_labels}
    if not any(query.evidence for query in queries):
        missing["evidence_only"] = "queries with evidence intervals, got none"
    if num_groups < 2:
        missing["swapped_past"] = "videos of at least two groups, got one"
    if any(query.kind == "frame_labels" for query in queries):
        missing["blind"] = "queries that are something without a frame, got frame labels"
    named = [control for control in controls if control != ALL]
    check_controls(named)
    for control in named:
        reason = missing.get(control.partition(":")[0])
        if reason:
            raise UserError(f"Control {control} expects {reason}. Leave it out.")
    every = [control for control in CONTROLS if not missing.get(control)] if ALL in controls else []
    return list(dict.fromkeys([*every, *named]))
