"""How well single frames of held-out training videos are labelled, and how much noise on features stops that.

A linear classifier learns single frames of three quarters of the training groups and labels those of the others. Where
it labels nearly all, a temporal model learns to trust each frame and not to look around: the features may have been
fitted to the training videos, and other videos are harder.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from vidseq.data.dataset import Dataset
from vidseq.data.examples import check_features, frame_labels_of
from vidseq.features.store import FeatureStore
from vidseq.projection import MAX_DEVIATIONS, level_videos

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
    def of(cls, dataset: Dataset, store: FeatureStore, *, level: bool = False) -> "FrameProbe | None":
        """Reads frames of the split "train"; None: there are fewer than two groups, or fewer than two classes.

        Args:
            dataset: the labels and groups.
            store: the features; the tokens of a frame are averaged.
            level: give each video the mean and deviation of all; see `vidseq.projection.level_videos`.
        """
        labelled = [video.video for video in dataset.split("train") if dataset.segments_of(video.video)]
        names = [name for name in labelled[:: math.ceil(len(labelled) / MAX_VIDEOS) or 1] if name in store]
        groups = list(dict.fromkeys(map(dataset.group_of, names)))
        if len(groups) < 2:
            return None
        held = set(groups[::FOLDS])
        most = MAX_FRAMES // len(names)
        videos = [_Frames(dataset.group_of(name) in held, *_labelled(dataset, store, name, most)) for name in names]
        standardised = list(_standardised(videos, level))
        learnt, held_out = (_join(standardised, held_out=part) for part in (False, True))
        return cls(learnt, held_out) if len(np.unique(learnt[1])) > 1 and len(held_out[1]) else None

    def accuracy(self, noise: float = 0.0) -> float:
        """Share of held-out frames that are labelled right, with noise of this size on every feature."""
        frames, classes = self.held_out
        drawn = noise * self._unit_noise if noise else 0.0
        return float((self._model.predict(frames + drawn) == classes).mean())

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
class _Frames:
    held_out: bool
    features: np.ndarray
    classes: np.ndarray


def _labelled(dataset: Dataset, store: FeatureStore, video: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of frames of a video, (N, F), and their classes, (N,), below 0 where there is none."""
    stored = store.read(video)
    every = math.ceil(len(stored.features) / most) or 1
    features, pts_seconds = np.array(stored.features[::every], dtype=np.float32), stored.pts_seconds[::every]
    check_features(video, torch.from_numpy(features), pts_seconds, store.dim, store.tokens)
    features = features.mean(axis=1) if features.ndim == 3 else features
    segments = dataset.segments_of(video)
    classes = frame_labels_of(segments, pts_seconds, dataset.action_labels, dataset.info.background)
    return features, classes.numpy()


def _standardised(videos: Sequence[_Frames], level: bool) -> Iterator[_Frames]:
    """The videos with standardised features; those held out do not count in mean and deviation."""
    learnt = np.concatenate([video.features for video in videos if not video.held_out])
    mean, std = learnt.mean(axis=0), learnt.std(axis=0)
    std = np.where(std > 1e-6, std, 1.0)
    for video in videos:
        features = video.features
        if level:
            whole = torch.from_numpy(features)[None]
            features = level_videos(whole, None, torch.from_numpy(mean), torch.from_numpy(std))[0].numpy()
        scaled = ((features - mean) / std).clip(-MAX_DEVIATIONS, MAX_DEVIATIONS)
        yield _Frames(video.held_out, scaled, video.classes)


def _join(videos: Sequence[_Frames], *, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """All frames that have a class, of the videos that are held out or of the others."""
    part = [video for video in videos if video.held_out is held_out]
    frames = np.concatenate([video.features for video in part])
    classes = np.concatenate([video.classes for video in part])
    return frames[classes >= 0], classes[classes >= 0]
