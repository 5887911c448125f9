"""How much of the past a model is shown: contexts, and the cutting of videos into them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vidseq.errors import UserError

#: A log grid from one frame to everything; "..." goes on doubling while there is that much past.
DEFAULT_CONTEXTS = "1f,1s,2s,...,full"


class Past(NamedTuple):
    """What was seen up to a query: `features` (T, D) and `pts_seconds` (T,), the newest frame last. T may be 0."""

    features: np.ndarray
    pts_seconds: np.ndarray


@dataclass(frozen=True)
class Context:
    """A length of past: seconds, or frames, or (neither given) everything."""

    seconds: float = math.inf
    frames: int | None = None

    @property
    def name(self) -> str:
        """As it is written: "1f", "30s" or "full"."""
        if self.frames is not None:
            return f"{self.frames}f"
        return f"{self.seconds:g}s" if math.isfinite(self.seconds) else "full"

    def start_index(self, pts_seconds: np.ndarray, time: float) -> int:
        """The first frame that may be seen: with seconds L, the first whose time is after time - L.

        Args:
            pts_seconds: times of the frames up to `time`, rising, (T,).
            time: when the query is asked.
        """
        if self.frames is not None:
            return max(0, len(pts_seconds) - self.frames)
        return int(np.searchsorted(pts_seconds, time - self.seconds, side="right"))

    def in_seconds(self, frame_seconds: float) -> float:
        """Its length in seconds, where a frame lasts `frame_seconds`."""
        return self.seconds if self.frames is None else self.frames * frame_seconds


def parse_contexts(text: str | Sequence[str], longest_seconds: float = math.inf) -> list[Context]:
    """Reads a list of contexts such as "1f,1s,2s,...,full".

    Args:
        text: lengths in frames ("8f") or seconds ("1.5s"), "full", and "..." for doubling the length before it.
        longest_seconds: the longest past there is; where "..." stops. A length beyond it is an error.

    Returns:
        the contexts, each once, in the order given.

    Raises:
        UserError: a length that cannot be read, or a context longer than any past.
    """
    words = [word.strip() for word in (text.split(",") if isinstance(text, str) else text)]
    contexts: list[Context] = []
    for word in words:
        if word in ("...", "…"):
            contexts += _doublings(contexts, longest_seconds)
            continue
        context = _parse_context(word)
        if math.isfinite(context.seconds) and context.seconds > longest_seconds:
            raise UserError(
                f"Context expects at most the longest past, {longest_seconds:.1f} s, got {word}. "
                "Use full for everything."
            )
        contexts.append(context)
    return list(dict.fromkeys(contexts))


def past_of(features: np.ndarray, pts_seconds: np.ndarray, time: float) -> Past:
    """Cuts a video at a query: the frames with pts_seconds at most `time`.

    Args:
        features: of the whole video, (T, D).
        pts_seconds: times of its frames, rising, (T,).
        time: when the query is asked.
    """
    stop = int(np.searchsorted(pts_seconds, time, side="right"))
    return Past(features[:stop], pts_seconds[:stop])


def _doublings(contexts: Sequence[Context], longest_seconds: float) -> list[Context]:
    if not contexts or not math.isfinite(contexts[-1].seconds):
        raise UserError("Context expects seconds such as 2s before '...', to go on doubling from; got none there.")
    if not math.isfinite(longest_seconds):
        raise UserError("Context expects the longest past to be known for '...', got none. List the lengths.")
    doubled = []
    seconds = contexts[-1].seconds * 2
    while seconds <= longest_seconds:
        doubled.append(Context(seconds=seconds))
        seconds *= 2
    return doubled


def _parse_context(word: str) -> Context:
    if word == "full":
        return Context()
    frames, seconds = re.fullmatch(r"(\d+)f", word), re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)s", word)
    if frames and int(frames[1]) > 0:
        return Context(frames=int(frames[1]))
    if seconds and float(seconds[1]) > 0:
        return Context(seconds=float(seconds[1]))
    raise UserError(f"Context expects frames (8f), seconds (1.5s), full or ..., got '{word}'.")
