"""How well single frames of held-out training videos are labelled, and how much noise on features stops that.

A linear classifier learns single frames of three quarters of the training groups and labels those of the others. Where
it labels nearly all, a temporal model learns to trust each frame and not to look around: the features may have been
fitted to the training videos, and other videos are harder.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from vidseq.data.dataset import Dataset
from vidseq.data.examples import check_features, labels_of_video
from vidseq.features.store import FeatureStore
from vidseq.projection import divisor_of, level_videos, standardise

#: About so many frames are read, at equal distances in each video.
MAX_FRAMES = 8000
#: At most so many videos are read.
MAX_VIDEOS = 60
#: Of every so many groups, one is held out.
FOLDS = 4
#: Sizes of noise that are tried, in standard deviations of a channel.
SIZES = tuple(step / 4 for step in range(13))
#: Inverse strength of the classifier's L2 penalty.
_FREEDOM = 0.1
_ITERATIONS = 200


@dataclass(frozen=True, eq=False)
class FrameProbe:
    """Standardised frames of training videos, learnt and held out."""

    learnt: tuple[np.ndarray, np.ndarray]
    """Frames (N, F) and their classes (N,)."""
    held_out: tuple[np.ndarray, np.ndarray]
    """The same of other groups."""

    @classmethod
    def of(cls, videos: Sequence["ProbedVideo"], *, level: bool = False) -> "FrameProbe | None":
        """Standardises the frames of videos; None: there are fewer than two classes.

        Args:
            videos: from `read_videos`.
            level: give each video the mean and deviation of all; see `vidseq.projection.level_videos`.
        """
        if not videos:
            return None
        standardised = list(_standardised(videos, level))
        learnt, held_out = (_join(standardised, held_out=part) for part in (False, True))
        return cls(learnt, held_out) if len(np.unique(learnt[1])) > 1 and len(held_out[1]) else None

    def accuracy(self, noise: float = 0.0) -> float:
        """Share of held-out frames that are labelled right, with noise of this size on every feature."""
        frames, classes = self.held_out
        drawn = noise * self._unit_noise if noise else 0.0
        return float((self._model.predict(frames + drawn) == classes).mean())

    @property
    def chance(self) -> float:
        """Share of held-out frames that the most frequent class of the others labels right."""
        return float((self.held_out[1] == np.bincount(self.learnt[1]).argmax()).mean())

    def noise_for(self, accuracy: float) -> float:
        """The smallest of `SIZES` at which no more than this share is right; the largest if none is."""
        return next((size for size in SIZES if self.accuracy(size) <= accuracy), SIZES[-1])

    @cached_property
    def _unit_noise(self) -> np.ndarray:
        return np.random.default_rng(0).standard_normal(self.held_out[0].shape).astype(np.float32)

    @cached_property
    def _model(self):  # type: ignore[no-untyped-def]  # sklearn has no types
        from sklearn.linear_model import LogisticRegression  # only training needs it

        return LogisticRegression(C=_FREEDOM, max_iter=_ITERATIONS).fit(*self.learnt)


@dataclass(frozen=True, eq=False)
class ProbedVideo:
    """Some frames of a training video."""

    held_out: bool
    features: np.ndarray
    """(N, F)."""
    classes: np.ndarray
    """(N,); below 0 where there is none."""


def read_videos(dataset: Dataset, store: FeatureStore) -> list[ProbedVideo]:
    """Reads frames of the split "train"; none where there are fewer than two groups.

    Args:
        dataset: the labels and groups.
        store: the features; the tokens of a frame are averaged.
    """
    labelled = [video.video for video in dataset.split("train") if dataset.segments_of(video.video)]
    names = [name for name in labelled[:: math.ceil(len(labelled) / MAX_VIDEOS) or 1] if name in store]
    groups = list(dict.fromkeys(map(dataset.group_of, names)))
    if len(groups) < 2:
        return []
    held = set(groups[::FOLDS])
    most = MAX_FRAMES // len(names)
    return [ProbedVideo(dataset.group_of(name) in held, *_labelled(dataset, store, name, most)) for name in names]


def _labelled(dataset: Dataset, store: FeatureStore, video: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of frames of a video, (N, F), and their classes, (N,), below 0 where there is none."""
    stored = store.read(video)
    every = math.ceil(len(stored.features) / most) or 1
    features, pts_seconds = np.array(stored.features[::every], dtype=np.float32), stored.pts_seconds[::every]
    check_features(video, torch.from_numpy(features), pts_seconds, store.dim, store.tokens)
    features = features.mean(axis=1) if features.ndim == 3 else features
    return features, labels_of_video(dataset, video, pts_seconds).numpy()


def _standardised(videos: Sequence[ProbedVideo], level: bool) -> Iterator[ProbedVideo]:
    """The videos with standardised features; those held out do not count in mean and deviation."""
    learnt = np.concatenate([video.features for video in videos if not video.held_out])
    mean, divisor = torch.from_numpy(learnt.mean(axis=0)), divisor_of(torch.from_numpy(learnt.std(axis=0)))
    for video in videos:
        features = torch.from_numpy(video.features)
        if level:
            features = level_videos(features[None], None, mean, divisor)[0]
        yield replace(video, features=standardise(features, mean, divisor).numpy())


def _join(videos: Sequence[ProbedVideo], *, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """All frames that have a class, of the videos that are held out or of the others."""
    part = [video for video in videos if video.held_out is held_out]
    frames = np.concatenate([video.features for video in part])
    classes = np.concatenate([video.classes for video in part])
    return frames[classes >= 0], classes[classes >= 0]
