"""Contexts: how much of the past a model sees, and which samples of a video that is."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidseq.data.visible import visible_span
from vidseq.errors import UserError

#: A log grid from one frame to all of the past; "..." doubles the length as long as there is that much past.
DEFAULT_CONTEXTS = "1f,1s,2s,...,full"


@dataclass(frozen=True)
class Context:
    """A length of past in seconds or in frames, or all of the past if neither is given."""

    seconds: float = math.inf
    frames: int | None = None
    every: int = 1
    """Only one frame in this many is shown, counted back from the newest frame, which is always shown."""

    @property
    def name(self) -> str:
        """The context as text: "1f", "30s", "full", or "30s/4" for every fourth frame of 30 s."""
        length = f"{self.seconds:g}s" if math.isfinite(self.seconds) else "full"
        if self.frames is not None:
            length = f"{self.frames}f"
        return length if self.every == 1 else f"{length}/{self.every}"

    def span(self, pts_seconds: np.ndarray, time: float) -> tuple[int, int]:
        """Returns the samples [start, stop) that a query at `time` sees, before `every` leaves some out.

        Args:
            pts_seconds: times of a video's samples in ascending order, (T,).
            time: when the query is asked, in seconds.
        """
        return visible_span(pts_seconds, time, context_seconds=self.seconds, frames=self.frames)

    def in_seconds(self, frame_seconds: float) -> float:
        """Returns the length in seconds of this context, for frames that last `frame_seconds`."""
        return self.seconds if self.frames is None else self.frames * frame_seconds


def parse_contexts(text: str | Sequence[str], longest_seconds: float = math.inf) -> list[Context]:
    """Parses a list of contexts such as "1f,1s,2s,...,full".

    Args:
        text: lengths in frames ("8f") or seconds ("1.5s"), "full", and "...", which repeatedly doubles the length
            before it. A length followed by "/4" shows only every fourth frame.
        longest_seconds: the longest past of any query. "..." stops there, and a longer length is an error.

    Returns:
        the contexts in the given order, without duplicates.

    Raises:
        UserError: a length cannot be parsed, or a context is longer than any past.
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
                "Use full for all of the past."
            )
        contexts.append(context)
    return list(dict.fromkeys(contexts))


def _doublings(contexts: Sequence[Context], longest_seconds: float) -> list[Context]:
    if not contexts or not math.isfinite(contexts[-1].seconds):
        raise UserError("Context expects seconds such as 2s before '...', got none there. Write 1s,2s,...")
    if not math.isfinite(longest_seconds):
        raise UserError("Context expects the longest past to be known for '...', got none. List the lengths.")
    doubled = []
    seconds = contexts[-1].seconds * 2
    while seconds <= longest_seconds:
        doubled.append(Context(seconds=seconds))
        seconds *= 2
    return doubled


def _parse_context(word: str) -> Context:
    found = re.fullmatch(r"(?:(full)|(\d+)f|(\d+(?:\.\d*)?|\.\d+)s)(?:/(\d+))?", word)
    if found:
        everything, frames, seconds, every = found[1], found[2], found[3], int(found[4] or 1)
        if every > 0 and (everything or int(frames or 0) > 0 or float(seconds or 0) > 0):
            length = math.inf if seconds is None else float(seconds)
            return Context(length, None if frames is None else int(frames), every)
    raise UserError(f"Context expects frames (8f), seconds (1.5s), full or ..., got '{word}'.")
