"""vidseq: temporal reasoning on video. What do I see, and what happens next?

The names below are the ones most research code needs; each is imported when it is first used, so that
`import vidseq` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from vidseq.checkpoint import load_model, save_model
    from vidseq.classroom.config import ClassroomConfig
    from vidseq.classroom.generator import generate
    from vidseq.data.dataset import Dataset
    from vidseq.evaluation.evaluator import evaluate
    from vidseq.features.cnn import build_backbone
    from vidseq.features.store import FeatureStore
    from vidseq.heads import HEADS, make_head
    from vidseq.heads.base import HeadConfig, TemporalHead
    from vidseq.inference.predictor import Predictor
    from vidseq.inference.stream import Stream
    from vidseq.model import ModelConfig, VideoReasoner
    from vidseq.training.config import TrainConfig
    from vidseq.training.trainer import fit
    from vidseq.video.reader import VideoReader
    from vidseq.video.writer import VideoWriter

#: Where each public name lives.
_HOMES = {
    "ClassroomConfig": "vidseq.classroom.config",
    "Dataset": "vidseq.data.dataset",
    "FeatureStore": "vidseq.features.store",
    "HEADS": "vidseq.heads",
    "HeadConfig": "vidseq.heads.base",
    "ModelConfig": "vidseq.model",
    "Predictor": "vidseq.inference.predictor",
    "Stream": "vidseq.inference.stream",
    "TemporalHead": "vidseq.heads.base",
    "TrainConfig": "vidseq.training.config",
    "VideoReader": "vidseq.video.reader",
    "VideoReasoner": "vidseq.model",
    "VideoWriter": "vidseq.video.writer",
    "build_backbone": "vidseq.features.cnn",
    "evaluate": "vidseq.evaluation.evaluator",
    "fit": "vidseq.training.trainer",
    "generate": "vidseq.classroom.generator",
    "load_model": "vidseq.checkpoint",
    "make_head": "vidseq.heads",
    "save_model": "vidseq.checkpoint",
}

__all__ = [
    "HEADS",
    "ClassroomConfig",
    "Dataset",
    "FeatureStore",
    "HeadConfig",
    "ModelConfig",
    "Predictor",
    "Stream",
    "TemporalHead",
    "TrainConfig",
    "VideoReader",
    "VideoReasoner",
    "VideoWriter",
    "__version__",
    "build_backbone",
    "evaluate",
    "fit",
    "generate",
    "load_model",
    "make_head",
    "save_model",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vidseq' has no attribute '{name}'. It has: {', '.join(__all__)}.")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
