"""Controls: what a model scores when something is taken from its input, and what no model at all scores.

Input controls change the past and ask the model; baselines answer without it. A curve without them is not shown.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vidseq.data.schema import Query, Segment
from vidseq.errors import UserError, unknown_name
from vidseq.evaluation.context import Past

#: How much of the present `swapped_past` leaves in place, unless it is told otherwise as in "swapped_past:30s".
SWAP_SECONDS = 10.0


def blind(past: Past, query: Query) -> Past:
    """Nothing of the video: the question alone."""
    return Past(past.features[:0], past.pts_seconds[:0])


def last_frame(past: Past, query: Query) -> Past:
    """The newest frame alone."""
    return Past(past.features[-1:], past.pts_seconds[-1:])


def shuffled(past: Past, query: Query) -> Past:
    """The past in random order, the newest frame in its place; the same order for the same query every time."""
    if len(past.pts_seconds) < 3:
        return past
    order = np.append(_random(query).permutation(len(past.pts_seconds) - 1), len(past.pts_seconds) - 1)
    return Past(past.features[order], past.pts_seconds)


def evidence_only(past: Past, query: Query) -> Past:
    """Only the frames in the query's evidence intervals, ends included."""
    times = past.pts_seconds
    keep = np.zeros(len(times), bool)
    for start, end in query.evidence:
        keep |= (times >= start) & (times <= end)
    return Past(past.features[keep], times[keep])


def swap_past(past: Past, query: Query, donor: Past, swap_seconds: float) -> Past:
    """The present in place, and everything older than `swap_seconds` taken from another video at the same places.

    Args:
        past: what was seen up to the query.
        query: what is asked.
        donor: another video's frames, at least one; gone through again from its start where it is too short.
        swap_seconds: how much of the newest past stays.
    """
    old = int(np.searchsorted(past.pts_seconds, query.time - swap_seconds, side="right"))
    borrowed = donor.features[np.arange(old) % len(donor.features)]
    return Past(np.concatenate([borrowed, past.features[old:]]), past.pts_seconds)


#: Input controls by name. `swapped_past` needs other videos too, so `evaluate` knows it by itself.
INPUT_CONTROLS: Mapping[str, Callable[[Past, Query], Past]] = {
    "blind": blind,
    "last_frame": last_frame,
    "shuffled": shuffled,
    "evidence_only": evidence_only,
}
#: Controls that answer without a model.
BASELINES = ("majority", "repeat_last_label")


def parse_swap_seconds(control: str) -> float | None:
    """How much of the present "swapped_past" or "swapped_past:30s" keeps, in seconds; None for another control.

    Raises:
        UserError: the seconds cannot be read.
    """
    name, _, seconds = control.partition(":")
    if name != "swapped_past":
        return None
    if not seconds:
        return SWAP_SECONDS
    try:
        return float(seconds.removesuffix("s"))
    except ValueError:
        raise UserError(f"Control swapped_past expects seconds as in swapped_past:30s, got '{control}'.") from None


def check_controls(controls: Sequence[str]) -> None:
    """Refuses a control that does not exist, naming the nearest.

    Raises:
        UserError: an unknown control.
    """
    for control in controls:
        if control not in INPUT_CONTROLS and control not in BASELINES and parse_swap_seconds(control) is None:
            raise unknown_name("control", control, [*INPUT_CONTROLS, *BASELINES, "swapped_past"])


def choose_donors(groups: Mapping[str, str]) -> dict[str, str]:
    """Gives each video another one, of another group, to borrow a past from.

    Args:
        groups: the group of each video.

    Raises:
        UserError: there is one group only.
    """
    if len(set(groups.values())) < 2:
        raise UserError("Control swapped_past expects videos of at least two groups, got one. Leave it out.")
    donors = {}
    for video, group in groups.items():
        others = sorted(other for other in groups if groups[other] != group)
        donors[video] = others[zlib.crc32(video.encode()) % len(others)]
    return donors


def majority_scores(training: Sequence[Query], queries: Sequence[Query], classes: Sequence[str]) -> np.ndarray:
    """Answers every query with how frequent each answer is in training, within the query's family.

    Args:
        training: queries of the training split.
        queries: what to answer.
        classes: the answers that there are, C of them.

    Returns:
        logarithms of add-one smoothed frequencies, (N, C).
    """
    counts: dict[str, Counter[str]] = {}
    for query in training:
        counts.setdefault(_family(query), Counter())[query.answer] += 1
    return np.stack([_log_frequency(counts.get(_family(query), Counter()), classes) for query in queries])


def repeat_last_label_scores(
    segments: Mapping[str, Sequence[Segment]],
    training: Sequence[Query],
    queries: Sequence[Query],
    classes: Sequence[str],
) -> np.ndarray:
    """Answers with the label of the segment that started last before the query; `majority_scores` ranks the rest.

    Args:
        segments: those of each video.
        training: queries of the training split.
        queries: what to answer.
        classes: the answers that there are, C of them.

    Returns:
        scores (N, C), nearly all of the probability on the repeated label.
    """
    scores = majority_scores(training, queries, classes)
    place = {label: number for number, label in enumerate(classes)}
    for row, query in enumerate(queries):
        begun = [segment for segment in segments.get(query.video, ()) if segment.start <= query.time]
        known = [segment for segment in begun if segment.label in place]
        if known:
            scores[row, place[max(known, key=lambda segment: segment.start).label]] = _NEARLY_SURE
    return scores


#: Far above any log-frequency.
_NEARLY_SURE = 20.0


def _family(query: Query) -> str:
    return query.family or query.kind


def _log_frequency(counts: Counter[str], classes: Sequence[str]) -> np.ndarray:
    frequency = np.array([counts[label] for label in classes], float) + 1
    return np.log(frequency / frequency.sum())


def _random(query: Query) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{query.video} {query.time:.6f} {query.question}".encode()))
