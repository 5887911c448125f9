"""The videos that a user can show to models: those of a data set, and the user's own."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from vidseq.app.models import AppModel
from vidseq.app.pictures import Pictures
from vidseq.data.dataset import Dataset
from vidseq.errors import UserError
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore, VideoFeatures
from vidseq.inference.model_features import open_features


@dataclass(eq=False)
class AppVideo:
    """A video, and what is known of it so far."""

    id: str
    """Names it in addresses."""
    title: str
    """What users see; never a path."""
    path: Path | None
    """Its file; None: there is none."""
    end: float
    """Seconds until which it is read."""
    duration: float
    """Its whole length in seconds."""
    name: str = ""
    """Its name in the data set; "": it is no video of it."""
    media_type: str = "video/mp4"
    """What the browser is offered."""
    features: dict[Fingerprint | str, VideoFeatures] = field(default_factory=dict)
    """By how they were made."""
    timeline: dict[str, Any] | None = None
    """What the page draws below the player; None: not known yet."""
    pictures: Pictures | None = None
    """Its samples as small pictures; None: there is no file."""
    _projected: dict[str, Tensor] = field(default_factory=dict)
    _projecting: threading.Lock = field(default_factory=threading.Lock)

    def features_for(self, model: AppModel) -> VideoFeatures:
        """The features that a model reads.

        Raises:
            UserError: they are not known yet.
        """
        if model.features_key not in self.features:
            raise UserError(f"'{self.title}' expects to be read before it is asked about, got no features. Open it.")
        return self.features[model.features_key]

    def drop(self) -> None:
        """Forgets what can be computed again."""
        self.timeline = None
        self.features.clear()
        self._projected.clear()

    def projected_for(self, model: AppModel) -> Tensor:
        """The features as a model's head reads them, (T, W), computed once."""
        features = self.features_for(model).features
        with self._projecting:
            if model.name not in self._projected:
                with model.turn:
                    self._projected[model.name] = model.predictor.project(features)
            return self._projected[model.name]


class DatasetVideos:
    """The videos of a data set, test split first, with the features that models need where the data set has them.

    Args:
        folder: the data set.
        models: those that are asked.
        features: the start of the name of a features folder; None: those that each model needs.
        pictures: where small pictures are kept.

    Raises:
        DataError: the data set cannot be read.
    """

    def __init__(
        self, folder: Path, models: Sequence[AppModel], folders: Sequence[str], features: str | None, pictures: Path
    ) -> None:
        self.dataset = Dataset.load(folder)
        self._stores = {model.name: self._store(folder, name, features) for model, name in zip(models, folders)}
        rate = next((model.fps for model in models if model.fps is not None), None)
        self.videos: dict[str, AppVideo] = {}
        for index, name in enumerate(self._in_order()):
            path, duration = self.dataset.video_path(name), self.dataset.videos[name].duration
            file = path if path is not None and path.is_file() else None
            video = AppVideo(f"d{index}", name, file, duration, duration, name)
            if file is not None and rate is not None:
                video.pictures = Pictures(file, pictures / video.id, rate, duration)
            self.videos[video.id] = video

    def stored(self, model: AppModel, video: AppVideo) -> VideoFeatures | None:
        """The features of a video that the data set has for a model; None: it has none."""
        store = self._stores.get(model.name)
        return store.read(video.name) if store is not None and video.name and video.name in store else None

    def _in_order(self) -> list[str]:
        splits = ("test", "val")
        ranks = {split: rank for rank, split in enumerate(splits)}
        return sorted(self.dataset.videos, key=lambda name: ranks.get(self.dataset.videos[name].split, len(splits)))

    @staticmethod
    def _store(folder: Path, model: str, features: str | None) -> FeatureStore | None:
        """The features that a model needs; None: the data set has none, so that videos are read when shown."""
        if features is not None:
            return open_features(folder, [model], features)
        try:
            return open_features(folder, [model])
        except (FileNotFoundError, UserError):
            return None
