"""Videos of one colour after another, a data set of them, and models with a CNN that sees mean colours."""

import io
from pathlib import Path

import numpy as np
import torch
from color_backbone import ColorBackbone
from PIL import Image

from vidseq.app.models import AppModel, Backbones, SharedBackbone
from vidseq.app.settings import AppSettings
from vidseq.app.state import AppState
from vidseq.checkpoint import save_model
from vidseq.data.dataset import write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.inference.predictor import Predictor
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.video.writer import VideoWriter

FPS = 4
SECONDS = 6.0
#: What a video shows, two seconds each.
COLORS = ((200, 30, 30), (30, 200, 30), (30, 30, 200))
NAMES = ("red", "green", "blue")
QUESTION = "Which colour was first?"


def write_video(path: Path, seconds: float = SECONDS) -> Path:
    """A video of 8 frames a second that turns from colour to colour."""
    with VideoWriter(path, fps=8) as writer:
        for index in range(int(8 * seconds)):
            writer.write(np.full((48, 64, 3), COLORS[index // 16 % 3], np.uint8))
    return path


def make_model(seed: int, *, head: str = "gru", labels_frames: bool = True) -> VideoReasoner:
    """A model with random weights."""
    torch.manual_seed(seed)
    tasks: dict[str, dict[str, object]] = {"next_action": {}, "question": {}}
    config = ModelConfig(
        feature_dim=3,
        dim=16,
        head=head,
        labels={"action": ("wave", "jump"), "answer": NAMES},
        tasks={"frame_labels": {}, **tasks} if labels_frames else tasks,
        vocabulary=("colour", "first", "was", "which", "?"),
        fps=str(FPS),
        fingerprint=ColorBackbone().fingerprint(FPS),
    )
    model = VideoReasoner(config).eval()
    model.projection.std.fill_(100)  # type: ignore[operator]
    return model


def save_small_model(folder: Path) -> Path:
    """A model on disk."""
    save_model(make_model(0), folder)
    return folder


def write_world(folder: Path) -> Path:
    """A data set of two videos with segments and queries, without features."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("first", "second")
    for name in names:
        write_video(folder / f"{name}.mp4")
    videos = [Video(video=name, split="test", duration=SECONDS, path=f"{name}.mp4") for name in names]
    segments = [
        Segment(video=name, start=start, end=start + 3, label=label)
        for name in names
        for start, label in ((0.0, "wave"), (3.0, "jump"))
    ]
    queries = [
        Query(video=name, time=4.5, kind="question", question=QUESTION, answer="red", evidence=((0.0, 2.0),))
        for name in names
    ]
    info = DatasetInfo(name="shades", labels={"action": ("wave", "jump"), "answer": NAMES})
    return write_dataset(folder, info, videos, segments, queries).folder


class ColorBackbones(Backbones):
    """Mean colours, for every model."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__("cpu")
        self._backbone = SharedBackbone(ColorBackbone(seconds))

    def of(self, model: AppModel) -> SharedBackbone:
        return self._backbone


def make_state(folder: Path, data: Path | None = None, *, models: int = 2, **settings: float) -> AppState:
    """The state of an app with models of random weights."""
    made = [AppModel(f"model{index}", Predictor(make_model(index))) for index in range(models)]
    names = tuple(model.name for model in made)
    return AppState(AppSettings(models=names, data=data, **settings), folder, made, ColorBackbones())  # type: ignore[arg-type]


def jpeg(color: tuple[int, int, int] = COLORS[0]) -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(file, "JPEG", quality=95)
    return file.getvalue()
