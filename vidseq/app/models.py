"""The models of the app, each with what it can be asked, and the CNNs that make their features."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.checkpoint import load_model
from vidseq.data.schema import NEXT_ACTION, QUESTION
from vidseq.errors import ModelError
from vidseq.features.base import Backbone
from vidseq.features.fingerprint import Fingerprint
from vidseq.inference.predictor import Predictor
from vidseq.inference.sources import backbone_of
from vidseq.model import VideoReasoner
from vidseq.tasks import DenseTask, QueryTask, of_family


@dataclass(frozen=True, eq=False)
class AppModel:
    """A model that is asked by one user at a time."""

    name: str
    """What users see; no two models share one."""
    predictor: Predictor
    turn: threading.RLock = field(default_factory=threading.RLock)
    """Held while the model computes."""

    @property
    def model(self) -> VideoReasoner:
        """The model itself."""
        return self.predictor.model

    @property
    def fingerprint(self) -> Fingerprint | None:
        """How its features are made; None: not known."""
        return self.model.config.fingerprint

    @property
    def features_key(self) -> Fingerprint | str:
        """Equal for models that read the same features."""
        return self.fingerprint or self.name

    @property
    def fps(self) -> Fraction | None:
        """Samples a second; None: not known."""
        return None if self.model.config.fps is None else Fraction(self.model.config.fps)

    @property
    def labels_frames(self) -> bool:
        """Whether it labels frames."""
        return bool(of_family(self.model.tasks.values(), DenseTask))

    @property
    def asked(self) -> dict[str, bool]:
        """The kinds of query that a user can ask, each with whether it needs a text."""
        if not self.model.config.causal:
            return {}
        tasks = of_family(self.model.tasks.values(), QueryTask).values()
        kinds = {kind for kind in (QUESTION, NEXT_ACTION) if any(task.query_kind == kind for task in tasks)}
        return {kind: self._needs_text(kind) for kind in (QUESTION, NEXT_ACTION) if kind in kinds}

    def _needs_text(self, kind: str) -> bool:
        return kind == QUESTION or self.model.find_task(self.predictor.task_for(kind)).asked_in_words


def load_models(folders: Sequence[str], device: str = "auto") -> list[AppModel]:
    """Loads models, and gives each a name of its own.

    Args:
        folders: of runs or models, or names of models that ship.
        device: where to compute.

    Raises:
        ModelError: a model cannot be loaded, or does not know its frame rate.
    """
    loaded: list[AppModel] = []
    for folder in folders:
        model = load_model(folder, device)
        if model.config.fps is None:
            raise ModelError(f"The app expects models that know their frame rate, got '{folder}' without one.")
        loaded.append(AppModel(_free_name(folder, [other.name for other in loaded]), Predictor(model)))
    return loaded


def _free_name(folder: str, taken: Sequence[str]) -> str:
    """The last part of a path, with more of it or a count where that is taken."""
    parts = Path(folder).parts or (folder,)
    names = ["/".join(parts[-length:]) for length in range(1, len(parts) + 1)]
    names += [f"{parts[-1]} ({count})" for count in range(2, len(taken) + 3)]
    return next(name for name in names if name not in taken)


class SharedBackbone(Backbone):
    """A CNN that several threads use, one at a time."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone, self._turn = backbone, threading.Lock()
        self.name, self.dim, self.tokens = backbone.name, backbone.dim, backbone.tokens
        self.size, self.batch_size, self.window = backbone.size, backbone.batch_size, backbone.window

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Turns images into features; see the base class."""
        with self._turn:
            return self._backbone(images)

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        """What the features depend on; see the base class."""
        return self._backbone.fingerprint(fps, decoder)


class Backbones:
    """The CNNs of models, each made when it is first needed.

    Args:
        device: where to compute.
    """

    def __init__(self, device: str = "auto") -> None:
        self._device, self._making = device, threading.Lock()
        self._made: dict[Fingerprint | None, SharedBackbone] = {}

    def of(self, model: AppModel) -> SharedBackbone:
        """The CNN that makes a model's features.

        Raises:
            ModelError: the model was trained on features of no known CNN.
            FingerprintError: the CNN's weights differ from those of the features.
        """
        with self._making:
            if model.fingerprint not in self._made:
                self._made[model.fingerprint] = SharedBackbone(backbone_of(model.model, device=self._device))
            return self._made[model.fingerprint]
