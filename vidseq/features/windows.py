"""Windows of past samples, which clip encoders read at each sample."""

import numpy as np


class PastWindows:
    """Gives each sample the newest samples up to it, however many come at a time.

    Before the first sample stands the first, so that a window is always full.

    Args:
        length: samples W of a window; 1: each sample alone.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._past: np.ndarray | None = None

    def add(self, images: np.ndarray) -> np.ndarray:
        """Takes the next samples, (N, H, W, 3).

        Returns:
            what a backbone reads: (N, H, W, 3) for windows of 1, else (N, W, H, W, 3), oldest first, read-only.
        """
        if self.length == 1 or not len(images):
            return images
        past = np.repeat(images[:1], self.length - 1, axis=0) if self._past is None else self._past
        joined = np.concatenate([past, images])
        self._past = joined[len(images) :]
        return np.moveaxis(np.lib.stride_tricks.sliding_window_view(joined, self.length, axis=0), -1, 1)
