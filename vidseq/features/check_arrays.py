"""Checks the arrays of a video before a store keeps them. Needs no torch."""

from collections.abc import Mapping

import numpy as np

from vidseq.errors import DataError


def check_name(video: str) -> None:
    """Refuses identifiers of videos that are not safe as file names.

    Raises:
        DataError: the identifier is empty, too long, hidden, or has a character that some system forbids.
    """
    if (
        not video
        or video.startswith(".")
        or any(mark in video for mark in '/\\\0:*?"<>|')
        or len(video.encode()) > 200
    ):
        raise DataError(
            f"A video's identifier expects to be safe as a file name, got {video!r}. "
            "Leave out slashes and a leading dot, and keep it under 200 bytes."
        )


def check_times(video: str, num_frames: int, times: Mapping[str, np.ndarray]) -> None:
    """Refuses times that are not one a frame, not finite, or that fall.

    Args:
        video: identifier, for messages.
        num_frames: frames T.
        times: by their names, float64 (T,) each.

    Raises:
        DataError: the message names the times.
    """
    for name, seconds in times.items():
        if seconds.shape != (num_frames,):
            raise DataError(f"Video '{video}' expects a time for each of {num_frames} frames, got {seconds.shape}.")
        if not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any():
            raise DataError(f"Video '{video}' expects {name} that are finite and never fall.")


def half_precision(video: str, features: np.ndarray, tokens: int | None) -> np.ndarray:
    """Checks the axes of a video's features and turns them into float16.

    Args:
        video: identifier, for messages.
        features: (T, D), or (T, N, D) with N tokens.
        tokens: N; None: no token axis.

    Returns:
        float16, of the same shape.

    Raises:
        DataError: another shape, NaN, or values that are infinite in float16.
    """
    axis = () if tokens is None else (tokens,)
    if features.ndim != 2 + len(axis) or features.shape[1:-1] != axis or 0 in features.shape:
        wanted = "(T, D)" if tokens is None else f"(T, {tokens}, D)"
        raise DataError(
            f"Video '{video}' expects features {wanted} with at least one frame, got {features.shape}. "
            "The fingerprint of a store says how many tokens a sample has."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        kept = np.ascontiguousarray(features, dtype=np.float16)
    finite = np.isfinite(kept).all(axis=tuple(range(1, kept.ndim)))
    if not finite.all():
        raise DataError(
            f"Video '{video}' expects finite features (float16: up to 65504), "
            f"got NaN, infinite or larger ones in frame {int(np.argmin(finite))}. Check what made them."
        )
    return kept
