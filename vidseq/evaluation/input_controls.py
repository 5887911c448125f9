"""Controls of the input: what a model scores when something is taken from its past."""

import zlib
from collections.abc import Callable, Mapping

import numpy as np

from vidseq.data.schema import Query
from vidseq.data.visible import Past, visible_span, within_intervals
from vidseq.errors import UserError

#: How much of the present `swapped_past` leaves in place, unless it is told otherwise as in "swapped_past:30s".
SWAP_SECONDS = 10.0


def blind(past: Past, query: Query) -> Past:
    """Nothing of the video: the question alone."""
    return Past(past.features[:0], past.pts_seconds[:0])


def last_frame(past: Past, query: Query) -> Past:
    """The newest frame alone."""
    return Past(past.features[-1:], past.pts_seconds[-1:])


def shuffled(past: Past, query: Query) -> Past:
    """The past in random order, the newest frame in its place; the same order for the same time of a video every
    time."""
    if len(past.pts_seconds) < 3:
        return past
    order = np.append(_random(query).permutation(len(past.pts_seconds) - 1), len(past.pts_seconds) - 1)
    return Past(past.features[order], past.pts_seconds)


def evidence_only(past: Past, query: Query) -> Past:
    """Only the frames in the query's evidence intervals, ends included."""
    keep = within_intervals(past.pts_seconds, query.evidence)
    return Past(past.features[keep], past.pts_seconds[keep])


def swap_past(past: Past, query: Query, donor: Past, swap_seconds: float) -> Past:
    """The present in place, and everything older than `swap_seconds` taken from another video at the same places.

    Args:
        past: what was seen up to the query.
        query: what is asked.
        donor: another video's frames, at least one; gone through again from its start where it is too short.
        swap_seconds: how much of the newest past stays.
    """
    old, _ = visible_span(past.pts_seconds, query.time, context_seconds=swap_seconds)
    borrowed = donor.features[np.arange(old) % len(donor.features)]
    return Past(np.concatenate([borrowed, past.features[old:]]), past.pts_seconds)


#: Those that need nothing but the past. `swapped_past` needs other videos too, `best_frame` several answers.
INPUT_CONTROLS: Mapping[str, Callable[[Past, Query], Past]] = {
    "blind": blind,
    "last_frame": last_frame,
    "shuffled": shuffled,
    "evidence_only": evidence_only,
}


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


def _random(query: Query) -> np.random.Generator:
    """The same for all queries at one time, so that they share one past."""
    return np.random.default_rng(zlib.crc32(f"{query.video} {query.time:.6f}".encode()))
