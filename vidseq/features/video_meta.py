"""What a feature store notes of each video, and by which clock its times are counted."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction

import numpy as np

from vidseq.files import parse_json
from vidseq.video.sampling import sample_times

#: The times are those of samples. Stores of the old form name no clock: their times are those of pictures.
SAMPLE_CLOCK = "sample"


@dataclass(frozen=True)
class VideoMeta:
    """The notes on one video."""

    frames: int
    """Rows T of its features."""
    dim: int
    """Their width D."""
    source: Mapping[str, object] = field(default_factory=dict)
    """Where they come from."""
    clock: str | None = SAMPLE_CLOCK
    """`SAMPLE_CLOCK`, or None in the old form."""
    pictures: bool = False
    """Whether the times of the pictures are kept beside those of the samples."""

    def to_json(self) -> str:
        """All fields as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "VideoMeta":
        """Reads what `to_json` wrote, or the old form.

        Raises:
            ValueError: not JSON, or a clock that is not known.
            KeyError: a field is missing.
            TypeError: not an object.
        """
        values = parse_json(text)
        clock = values.get("clock") if isinstance(values, dict) else None
        if clock not in (None, SAMPLE_CLOCK):
            raise ValueError(f"clock {clock!r}")
        return cls(values["frames"], values["dim"], values["source"], clock, bool(values.get("pictures")))

    def count_samples(self, fps: Fraction) -> np.ndarray | None:
        """The times of the samples of a video that vidseq read from a file and stored in the old form.

        Args:
            fps: samples a second.

        Returns:
            float64 (T,); None where samples were left out, so that nobody knows which sample a row is.
        """
        times = sample_times(float(str(self.source["duration_seconds"])), fps)
        return times if len(times) == self.frames else None

    @property
    def has_picture_times(self) -> bool:
        """Whether the stored times are those of pictures: the old form of videos that vidseq read from a file.

        Features made elsewhere come with times of their own, and these are the times of their samples.
        """
        return self.clock is None and "duration_seconds" in self.source
