"""What training labels say of a data set: how long actions last, and how many there are."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from vidseq.data.dataset import Dataset

#: A short action is longer than this share of all, a long one is shorter than this share.
SHORT = LONG = 0.1
#: The shortest actions that count are longer than this share of all.
SHORTEST = 0.01


@dataclass(frozen=True, eq=False)
class LabelStatistics:
    """Lengths and counts of the actions in the training videos; background is no action."""

    seconds: np.ndarray
    """Length of each action, float (A,), A at least 1."""
    num_videos: int
    """Training videos with actions."""
    longest_video: float
    """In seconds."""
    fps: Fraction
    """Frames a second of the features."""

    @classmethod
    def of(cls, dataset: Dataset, fps: Fraction) -> "LabelStatistics | None":
        """Counts the segments of the split "train"; None: it has none that lasts.

        Args:
            dataset: the data set; other splits are not looked at.
            fps: frames a second of its features.
        """
        seconds: list[float] = []
        ends: list[float] = []
        for video in dataset.split("train"):
            actions = [item for item in dataset.segments_of(video.video) if item.label != dataset.info.background]
            lengths = [item.end - item.start for item in actions if item.end > item.start]
            if lengths:
                seconds += lengths
                ends.append(max(item.end for item in actions))
        return cls(np.array(seconds), len(ends), max(ends), fps) if seconds else None

    @property
    def num_actions(self) -> int:
        """Number of actions A."""
        return len(self.seconds)

    @property
    def per_video(self) -> float:
        """Actions in a video, on average."""
        return self.num_actions / self.num_videos

    @property
    def around_a_frame(self) -> float:
        """Length in seconds of the action that a frame lies in, on average over frames: long ones have more frames."""
        return float((self.seconds**2).sum() / self.seconds.sum())

    @property
    def long_seconds(self) -> float:
        """Length in seconds that a tenth of the actions reach."""
        return float(np.quantile(self.seconds, 1 - LONG))

    @property
    def short_seconds(self) -> float:
        """Length in seconds that a tenth of the actions do not reach."""
        return float(np.quantile(self.seconds, SHORT))

    @property
    def shortest_seconds(self) -> float:
        """Length in seconds that one in a hundred actions does not reach."""
        return float(np.quantile(self.seconds, SHORTEST, method="lower"))
