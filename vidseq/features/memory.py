"""Features that are made when they are needed and kept in memory, in the place of a folder of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidseq.errors import DataError
from vidseq.features.check_arrays import check_times, half_precision
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore, VideoFeatures


class MemoryFeatures(FeatureStore):
    """A store without a folder; it rounds as the folder does, so that both hold the same numbers."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        super().__init__(Path(fingerprint.name), fingerprint)
        self._made: dict[str, VideoFeatures] = {}

    def put(self, video: str, features: np.ndarray, pts_seconds: np.ndarray) -> None:
        """Adds a video, or replaces it.

        Args:
            video: identifier.
            features: (T, D), or (T, N, D) if the fingerprint has N tokens; at least one frame; kept as float16.
            pts_seconds: the times of the samples, (T,).

        Raises:
            DataError: see `FeatureStore.write`.
        """
        kept, times = half_precision(video, features, self.tokens), np.asarray(pts_seconds, dtype=np.float64)
        check_times(video, len(kept), {"pts_seconds": times})
        self._check_width(video, kept.shape[-1])
        self._made[video] = VideoFeatures(kept, times)
        self._dim = kept.shape[-1]

    def read(self, video: str) -> VideoFeatures:
        """The features of a video.

        Raises:
            DataError: the video is not there.
        """
        if video not in self._made:
            raise DataError(f"{self.folder} expects one of {len(self._made)} videos, got '{video}'.")
        return self._made[video]

    def __contains__(self, video: object) -> bool:
        return video in self._made

    def _committed(self) -> Iterator[str]:
        yield from self._made
