"""A backbone that can be followed by eye, and sent to other processes: the mean colour of a frame."""

import os
import time
from fractions import Fraction

import numpy as np

from vidseq.features.base import Backbone
from vidseq.features.fingerprint import Fingerprint, rational
from vidseq.video.resizing import Size


class ColorBackbone(Backbone):
    """Features are mean red, green, blue; slow, wrong or deadly on demand."""

    def __init__(self, seconds: float = 0.0, deadly_red: float = np.inf) -> None:
        self.name, self.dim, self.size, self.batch_size = "color", 3, Size(32), 2
        self.seconds = seconds
        self.deadly_red = deadly_red

    def __call__(self, images: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds)
        features = images.mean(axis=(1, 2), dtype=np.float32)
        if features[0, 0] > self.deadly_red:
            os._exit(11)
        return features

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        return Fingerprint(
            backbone=self.name, weights="", input_size=32, resize="crop", fps=str(rational(fps)), decoder=decoder
        )
